/**
 * A model per entity beside one model for all: time to fit one, its bytes, and the time to score the same rows with both, in
 * turns, on one thread. 1,000,000 rows x 8; the entities' rows come in turns, which is the worst order.
 *
 *   node dist/bench/detectors/per-entity.js [rounds]
 *
 * 100 trees up to 1,000 entities and 25 up to 5,000: more of the former do not fit the default limit of the artefact.
 */
import { randomUUID } from 'node:crypto'
import { findDetector } from '../../src/detectors/list.ts'
import type { Block } from '../../src/kernels/block.ts'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { encodeFleet } from '../../src/kernels/scores/fleet.ts'
import { Pool } from '../../src/pool/pool.ts'
import type { ScoringModel } from '../../src/pool/types.ts'
import { scoreBlocks, trainForest } from '../forest.ts'
import { toBlocks } from '../matrix.ts'
import { describeMachine, median, printTable, writeResult } from '../report.ts'

const rows = 1_000_000
const features = 8
const sampleRows = 1024
const seed = 42
const rounds = Number(process.argv[2] ?? 3)
const lines = [
  ...[10, 100, 300, 1000].map((entities) => ({ entities, trees: 100 })),
  ...[100, 1000, 5000].map((entities) => ({ entities, trees: 25 })),
]

const random = createRandom(2008, 0)
const normal = () => Math.sqrt(-2 * Math.log(1 - random.nextFloat())) * Math.cos(2 * Math.PI * random.nextFloat())
const columns = Array.from({ length: features }, () => Float64Array.from({ length: rows }, normal))

/** The matrix with the number of the entity behind the features. */
function blocksOf(entities: number): Block[] {
  return toBlocks(
    { rows, columns: [...columns, Float64Array.from({ length: rows }, (_, row) => row % entities)] },
    true,
  )
}

/** Fits the entities' models and puts them beside the one for all; the milliseconds are per model and core. */
async function fitFleet(pool: Pool, single: ScoringModel, entities: number, trees: number) {
  const params = findDetector('isolation-forest').params.parse({ type: 'isolation-forest', trees })
  const sampleOf = (entity: number) => {
    const size = Math.min(sampleRows, Math.floor(rows / entities))
    const values = new Float64Array(new SharedArrayBuffer(8 * features * size))
    for (let at = 0; at < values.length; at++)
      values[at] = columns[Math.floor(at / size)]![entity + (at % size) * entities]!
    return { values, size, columns: features, filled: size }
  }
  const samples = Array.from({ length: entities }, (_, entity) => sampleOf(entity))
  const start = performance.now()
  const models = await pool.fitEntities({
    detector: 'isolation-forest',
    params,
    measured: undefined,
    seed,
    samples,
    maxBytes: 2 ** 31,
  })
  const msPerModel = (performance.now() - start) / entities
  const own = models.reduce((sum, model) => sum + model!.byteLength, 0)
  const bounds = (value: number) => new Float64Array(entities * features).fill(value)
  const payload = encodeFleet({
    ...{ features, models, shared: new Uint8Array(single.payload) },
    names: samples.map((_, entity) => `host-${entity}`),
    ...{ min: bounds(Number.NEGATIVE_INFINITY), max: bounds(Number.POSITIVE_INFINITY) },
  })
  const shared = new SharedArrayBuffer(payload.byteLength)
  new Uint8Array(shared).set(payload)
  const fleet: ScoringModel = { ...single, key: randomUUID(), payload: shared, entities }
  return { fleet, msPerModel, bytesPerModel: own / entities }
}

async function secondsOf(pool: Pool, model: ScoringModel, blocks: readonly Block[]): Promise<number> {
  const start = performance.now()
  await scoreBlocks(pool, model, blocks)
  return (performance.now() - start) / 1000
}

const pool = new Pool({ threads: 1, maxQueue: 64 })
const measured = []
try {
  for (const { entities, trees } of lines) {
    const blocks = blocksOf(entities)
    const withoutEntities = blocks.map((block) => ({ ...block, columns: features }))
    const single = await trainForest(pool, withoutEntities, seed, { trees })
    const { fleet, ...facts } = await fitFleet(pool, single, entities, trees)
    const times = { single: [] as number[], fleet: [] as number[] }
    for (let round = 0; round <= rounds; round++) {
      const one = await secondsOf(pool, single, withoutEntities)
      const many = await secondsOf(pool, fleet, blocks)
      if (round === 0) continue
      times.single.push(one)
      times.fleet.push(many)
    }
    const ratio = median(times.fleet.map((many, round) => many / times.single[round]!))
    measured.push({ entities, trees, ...facts, ratio, times })
    console.log(`${entities} entities, ${trees} trees: ${ratio.toFixed(2)} times the single model`)
  }
} finally {
  await pool.close()
}
printTable([
  ['entities', 'trees', 'ms a model', 'KiB a model', 'time to the single model'],
  ...measured.map(({ entities, trees, msPerModel, bytesPerModel, ratio }) => [
    ...[entities, trees, msPerModel.toFixed(1), (bytesPerModel / 1024).toFixed(0), ratio.toFixed(2)],
  ]),
])
writeResult('entities', { rows, features, rounds, measured, machine: describeMachine() })

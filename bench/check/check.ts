/**
 * Whether a change made a hot path slower: a few minutes, nothing but Node. Every line is a cost beside a yardstick that
 * is measured in turns with it, so that a slow or busy machine slows both; the ratios are compared with
 * `bench/check/baseline.json`, by major version of Node. More than 15 % above is measured again, twice at most and not after four
 * minutes, and fails when it stays: who shares the processor's cores hurts vectors more than the yardstick, and goes away again.
 *
 *   node dist/bench/check/check.js [--write] [line…]      lines: kernel deep few fit path online100 online1
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeForest } from '../../src/kernels/forest/forest.ts'
import { addPathLengths } from '../../src/kernels/forest/walks/plain.ts'
import { averagePathLengths } from '../../src/kernels/path-length.ts'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { Pool } from '../../src/pool/pool.ts'
import type { ScoringModel } from '../../src/pool/types.ts'
import { scoreBlocks, trainForest } from '../forest.ts'
import { generate } from '../generate.ts'
import { type Matrix, toBlocks } from '../matrix.ts'
import { bodyOf, load, post, startBare, startOurs } from '../online/sides.ts'
import { median, printTable } from '../report.ts'
import { startService } from '../service/service.ts'

const allowed = 1.15
const attempts = 3
const lastAttemptMs = 240_000
/** Of a tenth of a second: a machine that others use, too, has quiet moments in some seconds, and hardly one in a second. */
const rounds = 40
/** Of two seconds. */
const loadRounds = 9

/** A cost of ours by the yardstick's, both in the same unit. */
interface Line {
  readonly what: string
  measure(): Promise<number>
}

const matrix = (rows: number): Matrix => {
  const random = createRandom(2008, 0)
  return {
    rows,
    columns: Array.from({ length: 10 }, () => Float64Array.from({ length: rows }, () => random.nextFloat())),
  }
}

async function timed(work: () => unknown): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

/** Both sides in turns; the least time of each is what was least disturbed. */
async function inTurns(ours: () => unknown, yardstick: () => unknown): Promise<number> {
  const [own, other]: [number[], number[]] = [[], []]
  for (let round = 0; round <= rounds; round++) {
    const times = [await timed(ours), await timed(yardstick)] as const
    if (round === 0) continue
    own.push(times[0])
    other.push(times[1])
  }
  return Math.min(...own) / Math.min(...other)
}

/** The yardstick of processor speed: the plain TypeScript walk through a forest of 100 trees of 256 rows. */
function plainWalk(model: ScoringModel, rows: number): () => void {
  const forest = decodeForest(new Uint8Array(model.payload))
  const lengths = averagePathLengths(forest.psi)
  const values = new Float64Array(rows * 10)
  const { columns } = matrix(rows)
  columns.forEach((column, f) => {
    values.set(column, f * rows)
  })
  const sums = new Float64Array(rows)
  return () => addPathLengths(forest, lengths, { values, stride: rows, rows }, sums)
}

async function withPool<Result>(work: (pool: Pool) => Promise<Result>): Promise<Result> {
  const pool = new Pool({ threads: 1, maxQueue: 64 })
  try {
    return await work(pool)
  } finally {
    await pool.close()
  }
}

/** Scoring rows beside the plain walk of some of them through the same forest, which suffers from the same neighbours in the caches. */
function kernelLine(rows: number, sampleSize: number, plain: number): Line {
  return {
    what: `scoring ${rows} rows, ${sampleSize} rows a tree : plain walk of ${plain}`,
    measure: () =>
      withPool(async (pool) => {
        const blocks = toBlocks(matrix(rows))
        const model = await trainForest(pool, blocks, 1, { sampleSize })
        return inTurns(() => scoreBlocks(pool, model, blocks), plainWalk(model, plain))
      }),
  }
}

function onlineLine(rows: number): Line {
  return {
    what: `main thread of POST /score with ${rows} rows as JSON : that of a bare route`,
    async measure() {
      const ours = await startOurs()
      const body = bodyOf(rows)
      const bare = await startBare(await post(`${ours.url}/score`, body))
      try {
        for (const side of [ours, bare]) await load(side, body, 2)
        // A lucky second of one side is no measure for the other: neighbouring seconds are compared, and the middle one counts.
        const ratios: number[] = []
        for (let round = 0; round < loadRounds; round++)
          ratios.push((await load(ours, body, 1)).cpu / (await load(bare, body, 1)).cpu)
        return median(ratios)
      } finally {
        await ours.stop()
        await bare.stop()
      }
    },
  }
}

const lines: Readonly<Record<string, Line>> = {
  kernel: kernelLine(200_000, 256, 20_000),
  deep: kernelLine(50_000, 4096, 5_000),
  few: {
    what: '1,000 calls of 10 rows, each in a turn of its own : plain walk of 20,000',
    measure: () =>
      withPool(async (pool) => {
        const blocks = toBlocks(matrix(20_000))
        const model = await trainForest(pool, blocks, 1)
        const few = { ...blocks[0]!, rows: 10 }
        const call = async () => {
          for (let i = 0; i < 1000; i++) {
            await pool.score(model, few)
            await new Promise((resolve) => setImmediate(resolve))
          }
        }
        return inTurns(call, plainWalk(model, 20_000))
      }),
  },
  fit: {
    what: 'sampling and fitting on 200,000 rows : plain walk of 20,000',
    measure: () =>
      withPool(async (pool) => {
        const blocks = toBlocks(matrix(200_000))
        const yardstick = plainWalk(await trainForest(pool, blocks, 1), 20_000)
        return inTurns(() => trainForest(pool, blocks, 2), yardstick)
      }),
  },
  path: {
    what: 'POST /score of a Parquet file of 500,000 rows by path : plain walk of 100,000',
    async measure() {
      const folder = mkdtempSync(join(tmpdir(), 'deepwatch-check-'))
      generate(join(folder, 'fleet.parquet'), { rows: 500_000, hosts: 50 })
      const service = await startService({ DEEPWATCH_DATA_ROOTS: folder })
      try {
        const source = { path: 'fleet.parquet' }
        const ask = (route: string, more: object) =>
          post(service.url + route, JSON.stringify({ model: 'fleet', source, ...more }))
        await ask('/train', { label: 'label', detector: { type: 'isolation-forest', seed: 1 } })
        return await withPool(async (pool) => {
          const yardstick = plainWalk(await trainForest(pool, toBlocks(matrix(100_000)), 1), 100_000)
          return inTurns(() => ask('/score', { return: 'none' }), yardstick)
        })
      } finally {
        await service.stop()
        rmSync(folder, { recursive: true, force: true })
      }
    },
  },
  online100: onlineLine(100),
  online1: onlineLine(1),
}

const args = process.argv.slice(2)
const writes = args.includes('--write')
const asked = args.filter((name) => name !== '--write')
const file = join(process.cwd(), 'bench', 'check', 'baseline.json')
const node = `node${process.versions.node.split('.')[0]}`
const baselines = (existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {}) as Record<
  string,
  Record<string, number>
>
const baseline = baselines[node] ?? {}
const table: (string | number)[][] = [['line', 'ratio', 'baseline', 'change', 'cost : yardstick']]
let failed = 0
for (const name of asked.length > 0 ? asked : Object.keys(lines)) {
  const line = lines[name]
  if (!line) throw new Error(`there is no line ${name}`)
  const before = baseline[name]
  if (!writes && before === undefined) throw new Error(`${name} has no baseline for ${node}; --write makes one`)
  let ratio = Number.POSITIVE_INFINITY
  for (let attempt = 0; attempt < attempts; attempt++) {
    ratio = Math.min(ratio, await line.measure())
    // A baseline is the least of as many attempts as whoever is held against it may have.
    if (!writes && (ratio <= allowed * before! || performance.now() > lastAttemptMs)) break
  }
  const change = before === undefined ? 1 : ratio / before
  if (change > allowed) failed++
  if (writes) baseline[name] = Math.round(ratio * 1000) / 1000
  table.push([name, ratio.toFixed(3), before?.toFixed(3) ?? '-', `${((change - 1) * 100).toFixed(0)} %`, line.what])
}
printTable(table)
if (writes) writeFileSync(file, `${JSON.stringify({ ...baselines, [node]: baseline }, null, 2)}\n`)
else if (failed > 0) {
  console.log(`${failed} hot paths are more than ${Math.round((allowed - 1) * 100)} % slower than the baseline`)
  process.exitCode = 1
}

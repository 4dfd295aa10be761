/**
 * Training from Parquet beside its parts, each measured alone in the same run: the sampling read, and the slower of reading and
 * scoring in the pass for the threshold. Fitting, counting for the report and saving are extra.
 *
 *   node dist/bench/training/from-parquet.js [rows] [rounds]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Block } from '../../src/kernels/block.ts'
import { trainSettings } from '../../src/schemas/train.ts'
import { trainForest } from '../forest.ts'
import { generate } from '../generate.ts'
import { copyOf, queryOf, readAlone, scoreAlone, startParts, startWhole } from '../parts.ts'
import { describeMachine, median, printTable, writeResult } from '../report.ts'

const rows = Number(process.argv[2] ?? 1_000_000)
const rounds = Number(process.argv[3] ?? 5)
const folder = mkdtempSync(join(tmpdir(), 'deepwatch-training-'))
const file = join(folder, 'fleet.parquet')
const home = join(folder, 'home')
const work = { signal: new AbortController().signal }

generate(file, { rows, hosts: 50 })
const parts = startParts(join(folder, 'parts'), [folder])
const service = await startWhole(home, [folder])
try {
  const settings = trainSettings.parse({
    model: 'bench',
    source: { path: file },
    label: 'label',
    detector: { type: 'isolation-forest', seed: 1 },
  })
  const document = await service.training.train(settings, null, work)
  const query = queryOf(document)
  const blocks: Block[] = []
  await readAlone(parts, file, query, (block) => blocks.push(copyOf(block)))
  const model = await trainForest(parts.pool, blocks.slice(0, 2), 1)
  const measured: { reading: number; scoring: number; training: number; ratio: number }[] = []
  for (let round = 0; round <= rounds; round++) {
    const reading = (await readAlone(parts, file, query)).seconds
    const scoring = (await scoreAlone(parts, model, blocks)).seconds
    const start = performance.now()
    await service.training.train(settings, null, work)
    const training = (performance.now() - start) / 1000
    const ratio = training / (reading + Math.max(reading, scoring))
    // The first round warms caches and compilers.
    if (round > 0) measured.push({ reading, scoring, training, ratio })
  }
  const figure = (name: keyof (typeof measured)[number]) => median(measured.map((one) => one[name]))
  printTable([
    ['part', 'median s'],
    ['reading alone', figure('reading').toFixed(3)],
    ['scoring alone', figure('scoring').toFixed(3)],
    ['training from Parquet', figure('training').toFixed(3)],
  ])
  const ratio = figure('ratio')
  console.log(`${ratio.toFixed(2)} of the sampling read and the slower of reading and scoring; at most 1.30 is wanted`)
  writeResult('training-parquet', { ratio, rows, measured, machine: describeMachine() })
} finally {
  await service.close()
  await parts.close()
  rmSync(folder, { recursive: true, force: true })
}

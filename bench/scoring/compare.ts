/**
 * Scoring a Parquet file by path beside its parts, each measured alone in the same run: the kernel on blocks in memory, the reading
 * process with nothing to do, DuckDB's own COPY of the file. And whether a row of many costs what a row of few does.
 *
 *   node dist/bench/scoring/compare.js [rows] [many rows, 0 for none] [rounds]
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Block } from '../../src/kernels/block.ts'
import type { VersionDocument } from '../../src/schemas/model.ts'
import { trainSettings } from '../../src/schemas/train.ts'
import type { Service } from '../../src/service.ts'
import { trainForest } from '../forest.ts'
import { generate } from '../generate.ts'
import {
  type Cost,
  childrenSeconds,
  copyOf,
  costOf,
  type Parts,
  queryOf,
  readAlone,
  scoreAlone,
  startParts,
  startWhole,
} from '../parts.ts'
import { startProgram } from '../python.ts'
import { describeMachine, median, printTable, writeResult } from '../report.ts'

const rows = Number(process.argv[2] ?? 1_000_000)
const many = Number(process.argv[3] ?? 20_000_000)
const rounds = Number(process.argv[4] ?? 5)
const folder = mkdtempSync(join(tmpdir(), 'deepwatch-scoring-file-'))
const file = join(folder, 'fleet.parquet')
const manyFile = join(folder, 'many.parquet')
const work = { signal: new AbortController().signal }

/** Copies a file with one thread, as the reading process has on two cores, and tells how long that took. */
const copying = `
const { createInterface } = await import('node:readline')
const { DuckDBInstance } = await import('@duckdb/node-api')
const connection = await (await DuckDBInstance.create(':memory:', { threads: process.argv[1] })).connect()
for await (const line of createInterface({ input: process.stdin })) {
  const { from, to } = JSON.parse(line)
  const start = performance.now()
  await connection.run("copy (from read_parquet('" + from + "')) to '" + to + "' (format parquet, compression snappy)")
  console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }))
}`

/** Everything once, in turns. */
async function round(service: Service, parts: Parts, document: VersionDocument, blocks: readonly Block[]) {
  const reading = await readAlone(parts, file, queryOf(document))
  const kernel = await scoreAlone(parts, await trainForest(parts.pool, blocks.slice(0, 2), 1), blocks)
  const none = await scoreFile(service, file)
  const copy = (await rival.ask({ from: file, to: join(folder, 'copy.parquet') }))['seconds'] as number
  const table = await seconds(async () => {
    const run = await service.scoring.scoreTable({ model: 'bench', source: { path: file } }, null, work)
    await run.toParquet(false)
    await run.close()
  })
  const ideal = (kernel.own + reading.children) / parts.cores
  return {
    kernel,
    reading,
    copy,
    none,
    table,
    ideal,
    toNone: none.seconds / ideal,
    toTable: table / (1.25 * ideal + 2 * copy),
  }
}

async function seconds(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await task()
  return (performance.now() - start) / 1000
}

/** As `return=none` does it: every score is computed and counted, none is kept. */
function scoreFile(service: Service, path: string): Promise<Cost> {
  return costOf(async () => {
    const run = await service.scoring.scoreRows({ model: 'bench', source: { path } }, null, work)
    for await (const _ of run.blocks());
    const spent = childrenSeconds()
    await run.close()
    return spent
  })
}

generate(file, { rows, hosts: 50 })
const parts = startParts(join(folder, 'parts'), [folder])
const threads = String(Math.max(1, Math.floor(parts.cores / 2)))
const rival = startProgram(process.execPath, ['--input-type=module', '-e', copying, threads])
const service = await startWhole(join(folder, 'home'), [folder])
try {
  const detector = { type: 'isolation-forest', seed: 1 }
  const settings = trainSettings.parse({ model: 'bench', source: { path: file }, label: 'label', detector })
  const document = await service.training.train(settings, null, work)
  const blocks: Block[] = []
  await readAlone(parts, file, queryOf(document), (block) => blocks.push(copyOf(block)))
  const measured: Awaited<ReturnType<typeof round>>[] = []
  for (let i = 0; i <= rounds; i++) {
    const one = await round(service, parts, document, blocks)
    // The first round warms caches and compilers.
    if (i > 0) measured.push(one)
  }
  const figure = (of: (one: (typeof measured)[number]) => number) => median(measured.map(of))
  let perRow: number | null = null
  if (many > 0) {
    generate(manyFile, { rows: many, hosts: 50 })
    const [before, long, after] = [
      await scoreFile(service, file),
      await scoreFile(service, manyFile),
      await scoreFile(service, file),
    ]
    perRow = long.seconds / many / ((before.seconds + after.seconds) / 2 / rows)
  }
  printTable([
    ['part', 'clock s', 'processor s'],
    ['kernel alone', figure(({ kernel }) => kernel.seconds).toFixed(3), figure(({ kernel }) => kernel.own).toFixed(3)],
    [
      'reading process alone',
      figure(({ reading }) => reading.seconds).toFixed(3),
      figure(({ reading }) => reading.children).toFixed(3),
    ],
    ['taking its blocks', '', figure(({ reading }) => reading.own).toFixed(3)],
    ["DuckDB's own COPY", figure(({ copy }) => copy).toFixed(3), ''],
    [
      'scored, return=none',
      figure(({ none }) => none.seconds).toFixed(3),
      figure(({ none }) => none.own + none.children).toFixed(3),
    ],
    ['scored to Parquet', figure(({ table }) => table).toFixed(3), ''],
  ])
  const ratios = { none: figure(({ toNone }) => toNone), table: figure(({ toTable }) => toTable), perRow }
  console.log(`return=none takes ${ratios.none.toFixed(2)} of (kernel + reader) / cores; at most 1.25 is wanted`)
  console.log(`to Parquet takes ${ratios.table.toFixed(2)} of 1.25 times that and twice the COPY; at most 1 is wanted`)
  if (perRow !== null)
    console.log(`a row of ${many} costs ${perRow.toFixed(2)} of a row of ${rows}; 1.10 at most is wanted`)
  writeResult('scoring-file', { ratios, rows, many, measured, machine: describeMachine() })
} finally {
  await service.close()
  rival.close()
  await parts.close()
  rmSync(folder, { recursive: true, force: true })
}

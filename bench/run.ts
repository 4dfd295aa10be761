/**
 * Every comparison with a rival, one after the other, and one table of their ratios at the end. Half an hour on a quiet
 * machine of two cores; each of them can be run alone.
 *
 *   npm run bench
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { describeMachine, printTable, resultPath } from './report.ts'

const suites = [
  ...['kernels/compare', 'training/compare', 'training/from-parquet', 'scoring/compare', 'pipeline/compare'],
  ...['online/compare', 'detectors/per-entity', 'memory/run', 'growth/run'],
]
for (const suite of suites) {
  console.log(`\n== ${suite}`)
  const path = fileURLToPath(new URL(`./${suite}.js`, import.meta.url))
  if (spawnSync(process.execPath, [path], { stdio: 'inherit' }).status !== 0) process.exitCode = 1
}

/** What a suite wrote; null when it did not get that far. */
function resultOf<Result>(name: string): Result | null {
  const path = resultPath(name)
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Result) : null
}

type Kernel = { measured: { name: string; ratios: Record<string, { ratio: number }> }[] }
type Online = { measured: { rows: number; shareOfBare: number; timesFastApi: number; p99ToFastApi: number }[] }

const table: string[][] = [['line', 'against', 'ratio']]
const kernel = resultOf<Kernel>('kernel')
for (const { name, ratios } of kernel?.measured ?? [])
  for (const [rival, { ratio }] of Object.entries(ratios)) table.push([`scoring, ${name}`, rival, ratio.toFixed(2)])
const training = resultOf<{ ratio: number }>('training')
if (training) table.push(['fitting', 'isotree', training.ratio.toFixed(2)])
const fromParquet = resultOf<{ ratio: number }>('training-parquet')
if (fromParquet) table.push(['training from Parquet', 'its parts alone', fromParquet.ratio.toFixed(2)])
const scoringFile = resultOf<{ ratios: { none: number; table: number; perRow: number | null } }>('scoring-file')
if (scoringFile) {
  const { none, table: toTable, perRow } = scoringFile.ratios
  table.push(['scoring a file, return=none', 'kernel and reader / cores', none.toFixed(2)])
  table.push(['scoring a file to Parquet', '1.25 of that and 2 COPY', toTable.toFixed(2)])
  if (perRow !== null) table.push(['a row of 20 million', 'a row of 1 million', perRow.toFixed(2)])
}
const pipeline = resultOf<{ ratio: number; memory: number }>('pipeline')
if (pipeline) {
  table.push(['whole pipeline', 'python script', pipeline.ratio.toFixed(2)])
  table.push(['its memory', 'python script', pipeline.memory.toFixed(2)])
}
for (const { rows, shareOfBare, timesFastApi, p99ToFastApi } of resultOf<Online>('online')?.measured ?? []) {
  table.push([`POST /score, ${rows} rows`, 'bare fastify route', shareOfBare.toFixed(2)])
  table.push([`POST /score, ${rows} rows`, 'fastapi + scikit-learn', timesFastApi.toFixed(2)])
  table.push([`its p99, ${rows} rows`, 'fastapi + scikit-learn', p99ToFastApi.toFixed(3)])
}
type Entities = { measured: { entities: number; trees: number; ratio: number }[] }
for (const { entities, trees, ratio } of resultOf<Entities>('entities')?.measured ?? [])
  table.push([`time of ${entities} models of ${trees} trees`, 'one model for all', ratio.toFixed(2)])
const memory = resultOf<{ ratios: Record<string, number> }>('memory')
for (const [kind, ratio] of Object.entries(memory?.ratios ?? {}))
  table.push([`memory of 20 million rows, ${kind}`, '2 million rows', ratio.toFixed(2)])
type Growth = { axes: Record<string, { exponents: Record<string, { expected: number; upperHalf: number }> }> }
for (const [axis, { exponents }] of Object.entries(resultOf<Growth>('growth')?.axes ?? {}))
  for (const [key, { expected, upperHalf }] of Object.entries(exponents))
    table.push([`growth with ${axis}, ${key}`, `exponent ${expected}`, upperHalf.toFixed(2)])
console.log()
printTable(table)
console.log(JSON.stringify(describeMachine()))

/**
 * Detection quality beside scikit-learn: the same matrices, 100 trees of 256 rows, ROC-AUC over 5 seeds.
 * Passes when the mean over the sets is within 0.01 of the rival's and no set is further off than 3 of
 * the rival's standard deviations.
 *
 *   node dist/bench/quality/compare.js [folder with one Parquet file per set]
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import { Pool } from '../../src/pool/pool.ts'
import { scoreBlocks, trainForest } from '../forest.ts'
import { type Matrix, toBlocks, writeMatrix } from '../matrix.ts'
import { startRival } from '../python.ts'
import { describeMachine, deviation, mean, printTable, writeResult } from '../report.ts'
import { rocAuc } from './roc-auc.ts'

const seeds = [1, 2, 3, 4, 5]
const maxRows = 100_000
const folder = resolve(process.argv[2] ?? process.env['DEEPWATCH_BENCH_DATA'] ?? '../shared/data/adbench')

/** A labelled set: every column but `label` is a feature. */
async function readSet(path: string): Promise<Matrix & { labels: boolean[] }> {
  const connection = await (await DuckDBInstance.create()).connect()
  const reader = await connection.runAndReadAll(`from read_parquet('${path.replaceAll("'", "''")}')`)
  const columns = reader.getColumns()
  const label = reader.columnNames().indexOf('label')
  return {
    rows: reader.currentRowCount,
    columns: columns.filter((_, c) => c !== label).map((column) => Float64Array.from(column as number[])),
    labels: columns[label] as boolean[],
  }
}

const scratch = mkdtempSync(join(tmpdir(), 'deepwatch-quality-'))
const pool = new Pool({ threads: availableParallelism(), maxQueue: 64 })
const rival = startRival(new URL('../../../bench/quality/rival.py', import.meta.url))
const sets = []
let rivalVersion: unknown
try {
  for (const file of readdirSync(folder)
    .filter((name) => name.endsWith('.parquet'))
    .sort()) {
    const set = await readSet(join(folder, file))
    if (set.rows > maxRows) continue
    const matrix = join(scratch, 'matrix')
    writeMatrix(matrix, set)
    const blocks = toBlocks(set)
    const ours: number[] = []
    const theirs: number[] = []
    for (const seed of seeds) {
      const scores = await scoreBlocks(pool, await trainForest(pool, blocks, seed), blocks)
      ours.push(rocAuc(set.labels, [scores]))
      const question = { matrix, rows: set.rows, columns: set.columns.length, labels: set.labels, seed }
      const answer = await rival.ask(question)
      theirs.push(answer['rocAuc'] as number)
      rivalVersion = { scikitLearn: answer['version'], numpy: answer['numpy'] }
    }
    const difference = mean(ours) - mean(theirs)
    const name = file.replace('.parquet', '')
    sets.push({
      name,
      rows: set.rows,
      features: set.columns.length,
      ours,
      theirs,
      difference,
      allowed: 3 * deviation(theirs),
    })
  }
} finally {
  rival.close()
  await pool.close()
  rmSync(scratch, { recursive: true })
}

if (sets.length === 0) throw new Error(`no set of at most ${maxRows} rows in ${folder}`)
const round = (value: number) => value.toFixed(4)
const spread = (values: number[]) => `${round(mean(values))} ±${round(deviation(values))}`
printTable([
  ['set', 'rows', 'features', 'deepwatch', 'scikit-learn', 'difference', 'allowed', ''],
  ...sets.map((set) => {
    const verdict = Math.abs(set.difference) <= set.allowed ? 'ok' : 'TOO FAR'
    const cells = [set.name, set.rows, set.features, spread(set.ours), spread(set.theirs)]
    return [...cells, round(set.difference), round(set.allowed), verdict]
  }),
])
const ours = mean(sets.map((set) => mean(set.ours)))
const theirs = mean(sets.map((set) => mean(set.theirs)))
const passed = Math.abs(ours - theirs) <= 0.01 && sets.every((set) => Math.abs(set.difference) <= set.allowed)
console.log(`mean ROC-AUC ${round(ours)} beside ${round(theirs)}: ${passed ? 'passed' : 'FAILED'}`)
const { node, processor } = describeMachine()
writeResult('quality', { passed, mean: { ours, theirs }, rival: rivalVersion, seeds, node, processor, sets })
process.exitCode = passed ? 0 : 1

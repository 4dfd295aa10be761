/**
 * Scoring speed on one thread beside scikit-learn: 1,000,000 rows of 10 standard normal doubles, a
 * forest of 100 trees and 256 rows each, the two sides in turns, median of 5.
 *
 *   node dist/bench/scoring/compare.js
 *
 * Our time is that of the service's pool with one thread, from the blocks in shared memory to the
 * scores: messages, copies into the kernel's memory and the score formula are in it.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRandom } from '../../src/kernels/random.ts'
import { createPool } from '../../src/pool.ts'
import { scoreBlocks, trainForest } from '../forest.ts'
import { toBlocks, writeMatrix } from '../matrix.ts'
import { startRival } from '../python.ts'
import { describeMachine, mean, median, printTable, writeResult } from '../report.ts'

const rows = 1_000_000
const features = 10
const rounds = 5

const random = createRandom(2008, 0)
const normal = () => Math.sqrt(-2 * Math.log(1 - random.nextFloat())) * Math.cos(2 * Math.PI * random.nextFloat())
const matrix = { rows, columns: Array.from({ length: features }, () => Float64Array.from({ length: rows }, normal)) }

const scratch = mkdtempSync(join(tmpdir(), 'deepwatch-scoring-'))
const path = join(scratch, 'matrix')
writeMatrix(path, matrix)
const rival = startRival(new URL('../../../bench/scoring/rival.py', import.meta.url))
const pool = createPool({ threads: 1, maxQueue: 64 })
const ours: number[] = []
const theirs: number[] = []
const means = { ours: 0, theirs: 0 }
let versions: Record<string, unknown>
const machine = describeMachine()
try {
  const blocks = toBlocks(matrix)
  const model = await trainForest(pool, blocks, 1)
  await scoreBlocks(pool, model, blocks.slice(0, 4))
  versions = await rival.ask({ matrix: path, rows, columns: features, seed: 1 })
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    const scores = await scoreBlocks(pool, model, blocks)
    ours.push((performance.now() - start) / 1000)
    means.ours = scores.reduce((sum, piece) => sum + piece.reduce((a, b) => a + b, 0), 0) / rows
    const answer = await rival.ask({})
    theirs.push(answer['seconds'] as number)
    means.theirs = answer['mean'] as number
  }
} finally {
  rival.close()
  await pool.close()
  rmSync(scratch, { recursive: true })
}

const speed = (seconds: number) => (rows / seconds / 1e6).toFixed(3)
const line = (name: string, seconds: number[], score: number) => {
  const each = [Math.min(...seconds), median(seconds), mean(seconds), Math.max(...seconds)]
  return [name, ...each.map((value) => value.toFixed(2)), speed(median(seconds)), score.toFixed(4)]
}
printTable([
  ['side', 'least s', 'median s', 'mean s', 'most s', 'M rows/s', 'mean score'],
  line('deepwatch', ours, means.ours),
  line('scikit-learn', theirs, means.theirs),
])
const ratio = median(theirs) / median(ours)
const ratios = ours.map((seconds, round) => theirs[round]! / seconds)
// On a busy machine the least times say more: they are the ones least disturbed.
const ratioOfLeast = Math.min(...theirs) / Math.min(...ours)
const each = ratios.map((value) => value.toFixed(2)).join(' ')
console.log(
  `ratio of the medians ${ratio.toFixed(2)}, of the least times ${ratioOfLeast.toFixed(2)}, of the rounds ${each}`,
)
console.log(JSON.stringify({ ...versions, ...machine }))
writeResult('scoring', {
  ratio,
  ratioOfLeast,
  ratios,
  seconds: { ours, theirs },
  rows,
  features,
  rival: versions,
  machine,
})

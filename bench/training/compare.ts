/**
 * Fitting 100 trees of 256 rows on 1,000,000 x 10 doubles in memory, samples included, beside isotree, one thread each.
 *
 *   node dist/bench/training/compare.js
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { Pool } from '../../src/pool/pool.ts'
import { fitForest, profileOf } from '../forest.ts'
import { toBlocks, writeMatrix } from '../matrix.ts'
import { startRival } from '../python.ts'
import { describeMachine, median, printTable, writeResult } from '../report.ts'

const rows = 1_000_000
const features = 10
const rounds = 101
/** Fittings until our code is compiled for good: draws are compiled anew up to some thirty. */
const youngRounds = 40

const random = createRandom(2008, 0)
const matrix = {
  rows,
  columns: Array.from({ length: features }, () => Float64Array.from({ length: rows }, () => random.nextFloat())),
}
const scratch = mkdtempSync(join(tmpdir(), 'deepwatch-training-'))
const path = join(scratch, 'matrix')
writeMatrix(path, matrix)
const rival = startRival(new URL('../../../bench/rivals/fitting.py', import.meta.url))
const pool = new Pool({ threads: 1, maxQueue: 64 })
const ours: number[] = []
const theirs: number[] = []
const young: number[] = []
try {
  const versions = await rival.ask({ matrix: path, rows, columns: features, trees: 100, sampleSize: 256 })
  const blocks = toBlocks(matrix)
  const profile = await profileOf(pool, blocks)
  for (let round = -youngRounds; round < rounds; round++) {
    const start = performance.now()
    await fitForest(pool, blocks, profile, youngRounds + round)
    const seconds = (performance.now() - start) / 1000
    const other = (await rival.ask({}))['seconds'] as number
    if (round < 0) {
      young.push(other / seconds)
      continue
    }
    ours.push(seconds)
    theirs.push(other)
  }
  const ratio = median(theirs.map((other, round) => other / ours[round]!))
  printTable([
    ['side', 'median s', 'least s'],
    ['deepwatch (samples and trees)', median(ours).toFixed(4), Math.min(...ours).toFixed(4)],
    ['isotree', median(theirs).toFixed(4), Math.min(...theirs).toFixed(4)],
  ])
  console.log(`${ratio.toFixed(2)} times as fast as isotree`)
  console.log(`in the rounds before, while our code was young: ${young.map((one) => one.toFixed(2)).join(' ')}`)
  writeResult('training', { ratio, young, ours, theirs, rows, features, rival: versions, machine: describeMachine() })
} finally {
  rival.close()
  await pool.close()
  rmSync(scratch, { recursive: true, force: true })
}

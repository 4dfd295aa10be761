/**
 * The scoring kernel beside its rivals on one thread: scikit-learn, isotree, ONNX Runtime and the same
 * algorithm in C. Every line has a forest and a matrix of standard normal doubles; all sides score in turns.
 *
 *   node dist/bench/kernels/compare.js [--runs n] [line…]      lines: base f4 f40 f200 t500 deep threads call1 call100 call10000
 *
 * A run starts every side anew. A line that is not named keeps what an earlier run measured. Our time is that of the service's pool: from blocks in shared memory to scores, messages
 * and copies included, where a call needs them: few rows do not.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Block } from '../../src/kernels/block.ts'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { Pool } from '../../src/pool/pool.ts'
import type { ScoringModel } from '../../src/pool/types.ts'
import { scoreBlocks, trainForest } from '../forest.ts'
import { type Matrix, toBlocks, writeMatrix } from '../matrix.ts'
import { preparePython } from '../python.ts'
import { describeMachine, median, printTable, resultPath, writeResult } from '../report.ts'
import { treesOf, writeForestJson, writePaddedForest } from './forest-files.ts'
import { hasTwin, type Line, recordName, type Side, startRivals } from './rivals.ts'

const base: Line = { rows: 1_000_000, features: 10, trees: 100, sampleSize: 256, threads: 1 }
const lines: Readonly<Record<string, Line>> = {
  base,
  f4: { ...base, features: 4 },
  f40: { ...base, rows: 500_000, features: 40 },
  f200: { ...base, rows: 100_000, features: 200 },
  t500: { ...base, rows: 200_000, trees: 500 },
  deep: { ...base, rows: 200_000, sampleSize: 4096 },
  threads: { ...base, threads: 2 },
  call1: { ...base, rows: 100_000, call: 1 },
  call100: { ...base, rows: 100_000, call: 100 },
  call10000: { ...base, rows: 100_000, call: 10_000 },
}

const { values: given, positionals } = parseArgs({
  options: { runs: { type: 'string', default: '1' } },
  allowPositionals: true,
})
const runs = Number(given.runs)
const rounds = runs > 1 ? 3 : 5
/** Scorings of a new pool until its code is compiled for good: 200 features take 1,052, 1,037 and 632 ns a row on Node 20. */
const youngScorings = 4
/**
 * Seconds that a side scores in a round, at least: as often as it takes. What waits for the others first finds its core asleep and its
 * caches full of theirs, which made 200 features .89 and deep trees .88 of what they are (100 and 250 ms), and is nothing to who takes a second.
 */
const leastSeconds = 0.5
const folder = mkdtempSync(join(tmpdir(), 'deepwatch-kernel-'))
const versions: Record<string, unknown> = {}

function normalMatrix({ rows, features }: Line): Matrix {
  const random = createRandom(2008, 0)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.nextFloat())) * Math.cos(2 * Math.PI * random.nextFloat())
  return { rows, columns: Array.from({ length: features }, () => Float64Array.from({ length: rows }, normal)) }
}

/** Seconds of one scoring of all blocks, or the median of many calls. */
async function time(
  { call, threads }: Line,
  pool: Pool,
  model: ScoringModel,
  blocks: readonly Block[],
): Promise<number> {
  if (!call) {
    const start = performance.now()
    await scoreBlocks(pool, model, blocks, threads + 1)
    return (performance.now() - start) / 1000
  }
  const one = { ...blocks[0]!, rows: call }
  const times = []
  // More than of the rivals, whose code is compiled from the start.
  for (let i = 0; i < (call === 10_000 ? 50 : 2000); i++) {
    const start = performance.now()
    await pool.score(model, one)
    times.push((performance.now() - start) / 1000)
    // Calls come one by one, each in a turn of its own, as requests do.
    await new Promise((resolve) => setImmediate(resolve))
  }
  return median(times)
}

/** Seconds of a scoring, or of a call: the mean of a round. */
async function round({ call }: Line, score: Side['score']): Promise<number> {
  let seconds = 0
  let times = 0
  do {
    seconds += await score()
    times++
  } while (!call && seconds < leastSeconds)
  return seconds / times
}

/** One run of a line: the seconds of every side, round by round. */
async function run(line: Line, blocks: readonly Block[]): Promise<Record<string, number[]>> {
  const files = {
    folder,
    ...{ matrix: join(folder, 'matrix'), json: join(folder, 'json'), padded: join(folder, 'padded') },
  }
  const pools = [line.threads, ...(line.threads > 1 ? [1] : [])].map((threads) => new Pool({ threads, maxQueue: 64 }))
  const sides: Side[] = []
  try {
    const model = await trainForest(pools[0]!, blocks, 1, line)
    const trees = treesOf(model)
    writeForestJson(files.json, trees, line.sampleSize)
    if (hasTwin(line)) writePaddedForest(files.padded, trees, line.sampleSize)
    pools.forEach((pool, i) => {
      const name = i === 0 ? 'deepwatch' : 'one thread'
      sides.push({ name, score: () => time(line, pool, model, blocks), close: () => {} })
    })
    sides.push(...startRivals(line, files, (found) => Object.assign(versions, found)))
    for (const side of sides) await side.score()
    // Each of two threads sees half of the rows: so that all have seen as many before the first round.
    for (const { score } of sides.slice(0, pools.length))
      for (let i = 1; i < youngScorings * line.threads; i++) await score()
    const seconds: Record<string, number[]> = Object.fromEntries(sides.map(({ name }) => [name, []]))
    for (let n = 0; n < rounds; n++)
      for (const { name, score } of sides) {
        if (name === recordName && n > 0) continue
        // ONNX Runtime's second thread spins for 30 ms behind its answer, which would be somebody else's core.
        await new Promise((resolve) => setTimeout(resolve, 200))
        seconds[name]!.push(await round(line, score))
      }
    return seconds
  } finally {
    for (const side of sides) side.close()
    for (const pool of pools) await pool.close()
  }
}

async function compare(name: string, line: Line) {
  const matrix = normalMatrix(line)
  writeMatrix(join(folder, 'matrix'), matrix)
  const blocks = toBlocks(matrix)
  const seconds = []
  for (let i = 0; i < runs; i++) {
    seconds.push(await run(line, blocks))
    console.error(`${name}: run ${i + 1} of ${runs} done`)
  }
  return { name, ...line, runs, seconds, ratios: ratiosOf(seconds), rivals: versions, machine: describeMachine() }
}

/** Their time by ours: the median of the rounds of each run, of which the median is the figure and the ends the spread. */
function ratiosOf(seconds: readonly Record<string, number[]>[]) {
  const names = Object.keys(seconds[0]!).filter((name) => name !== 'deepwatch')
  return Object.fromEntries(
    names.map((name) => {
      // Who was timed in the first round only stands beside our time of that round.
      const ofRuns = seconds.map((one) => median(one[name]!.map((theirs, round) => theirs / one['deepwatch']![round]!)))
      const least = (side: string) => Math.min(...seconds.flatMap((one) => one[side]!))
      return [
        name,
        {
          ratio: median(ofRuns),
          spread: [Math.min(...ofRuns), Math.max(...ofRuns)],
          // On a busy machine the least times say more: they are the ones least disturbed.
          least: least(name) / least('deepwatch'),
        },
      ]
    }),
  )
}

preparePython()
preparePython('scikit-learn-1.2.1')
type Measured = Awaited<ReturnType<typeof compare>>
const stored = resultPath('kernel')
const before = existsSync(stored) ? (JSON.parse(readFileSync(stored, 'utf8')) as { measured: Measured[] }).measured : []
const measured: Measured[] = []
try {
  for (const name of positionals.length > 0 ? positionals : Object.keys(lines)) {
    const line = lines[name]
    if (!line) throw new Error(`there is no line ${name}`)
    measured.push(await compare(name, line))
    const isOld = (one: Measured) => one.runs !== undefined && !measured.some((other) => other.name === one.name)
    writeResult('kernel', { measured: [...before.filter(isOld), ...measured] })
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}

const names = ['scikit-learn', 'isotree', 'onnxruntime', 'C twin', recordName, 'one thread']
printTable([
  ['line', 'M rows/s', ...names.map((name) => `${name}`)],
  ...measured.map(({ name, rows, call, seconds, ratios }) => [
    name,
    ((call ?? rows) / median(seconds.flatMap((one) => one['deepwatch']!)) / 1e6).toFixed(3),
    ...names.map((rival) => {
      const entry = ratios[rival]
      if (!entry) return '-'
      return `${entry.ratio.toFixed(2)} [${entry.spread.map((end) => end!.toFixed(2)).join(' ')}] ${entry.least.toFixed(2)}`
    }),
  ]),
])
console.log(`Their time by ours: median of ${runs} runs, [least most] of them, and the ratio of the least times.`)
console.log(JSON.stringify({ ...versions, ...describeMachine() }))

/**
 * The scoring kernel beside its rivals on one thread: scikit-learn, isotree, ONNX Runtime and the same
 * algorithm in C. Every line has a forest and a matrix of standard normal doubles; all sides score in turns.
 *
 *   node dist/bench/kernel/compare.js [line…]      lines: base f4 f40 f200 t500 deep threads call1 call100 call10000
 *
 * Our time is that of the service's pool: from blocks in shared memory to scores, messages and copies included.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRandom } from '../../src/kernels/random.ts'
import { createPool, type ScoringModel } from '../../src/pool.ts'
import { scoreBlocks, trainForest } from '../forest.ts'
import { type Matrix, toBlocks, writeMatrix } from '../matrix.ts'
import { preparePython, type Rival, startProgram, startRival } from '../python.ts'
import { describeMachine, median, printTable, writeResult } from '../report.ts'
import { treesOf, writeForestJson, writePaddedForest } from './forest-files.ts'

interface Line {
  readonly rows: number
  readonly features: number
  readonly trees: number
  readonly sampleSize: number
  readonly threads: number
  /** Rows of one call; the matrix is scored as a whole when it is missing. */
  readonly call?: number
}

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

const rounds = 5
const rivals = new URL('../../../bench/rivals/', import.meta.url)
const scratch = mkdtempSync(join(tmpdir(), 'deepwatch-kernel-'))

function normalMatrix({ rows, features }: Line): Matrix {
  const random = createRandom(2008, 0)
  const normal = () => Math.sqrt(-2 * Math.log(1 - random.nextFloat())) * Math.cos(2 * Math.PI * random.nextFloat())
  return { rows, columns: Array.from({ length: features }, () => Float64Array.from({ length: rows }, normal)) }
}

/** A side of the comparison: seconds of one scoring, or of one call. */
interface Side {
  readonly name: string
  score(): Promise<number>
  close(): void
}

function startRivals(line: Line, matrix: string, forest: { json: string; padded: string }): Side[] {
  const { rows, features: columns, trees, sampleSize, threads, call } = line
  const question = call ? { rows: call, calls: call === 10_000 ? 20 : 50 } : { rows }
  const sideOf = (name: string, rival: Rival, asked: object): Side => ({
    name,
    score: async () => (await rival.ask(asked))['seconds'] as number,
    close: () => rival.close(),
  })
  const python = ['scikit-learn', 'isotree', 'onnxruntime'].map((who) => {
    const rival = startRival(new URL('scoring.py', rivals))
    void rival.ask({ who, matrix, rows, columns, trees, sampleSize, threads, forest: forest.json }).then((versions) => {
      Object.assign(found, versions)
    })
    return sideOf(who, rival, question)
  })
  if (threads > 1 || call) return python
  const program = join(scratch, 'forest')
  execFileSync('gcc', ['-O3', '-march=native', '-o', program, new URL('forest.c', rivals).pathname, '-lm'])
  const twin = startProgram(program, [forest.padded, matrix, String(rows), String(columns)])
  return [...python, sideOf('C twin', twin, {})]
}

const found: Record<string, unknown> = {}

async function compare(name: string, line: Line) {
  const matrix = normalMatrix(line)
  const blocks = toBlocks(matrix)
  const path = join(scratch, 'matrix')
  writeMatrix(path, matrix)
  const pool = createPool({ threads: line.threads, maxQueue: 64 })
  const sides: Side[] = []
  try {
    const model = await trainForest(pool, blocks, 1, line)
    const trees = treesOf(model)
    const forest = { json: join(scratch, 'forest.json'), padded: join(scratch, 'padded') }
    writeForestJson(forest.json, trees, line.sampleSize)
    if (line.sampleSize <= 256) writePaddedForest(forest.padded, trees, line.sampleSize)
    const own: Side = { name: 'deepwatch', score: () => time(line, model), close: () => {} }
    const others = startRivals(line, path, forest).filter((side) => {
      const possible = side.name !== 'C twin' || line.sampleSize <= 256
      if (!possible) side.close()
      return possible
    })
    sides.push(own, ...others)
    for (const side of sides) await side.score()
    const seconds = new Map<string, number[]>(sides.map((side) => [side.name, []]))
    for (let round = 0; round < rounds; round++)
      for (const side of sides) seconds.get(side.name)!.push(await side.score())
    return { name, ...line, seconds: Object.fromEntries(seconds), ratios: ratiosOf(seconds) }
  } finally {
    for (const side of sides) side.close()
    await pool.close()
  }

  async function time(asked: Line, model: ScoringModel): Promise<number> {
    if (!asked.call) {
      const start = performance.now()
      await scoreBlocks(pool, model, blocks)
      return (performance.now() - start) / 1000
    }
    const { stride, lanes } = blocks[0]!
    const one = { values: blocks[0]!.values, stride, lanes, rows: asked.call }
    const times = []
    for (let i = 0; i < (asked.call === 10_000 ? 50 : 400); i++) {
      const start = performance.now()
      await pool.score(model, one)
      times.push((performance.now() - start) / 1000)
    }
    return median(times)
  }
}

/** Their time by ours, round by round; the median is the figure. */
function ratiosOf(seconds: ReadonlyMap<string, readonly number[]>): Record<string, { ratio: number; least: number }> {
  const ours = seconds.get('deepwatch')!
  return Object.fromEntries(
    [...seconds]
      .filter(([name]) => name !== 'deepwatch')
      .map(([name, theirs]) => [
        name,
        {
          ratio: median(theirs.map((value, round) => value / ours[round]!)),
          // On a busy machine the least times say more: they are the ones least disturbed.
          least: Math.min(...theirs) / Math.min(...ours),
        },
      ]),
  )
}

preparePython()
const asked = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(lines)
const measured = []
try {
  for (const name of asked) {
    const line = lines[name]
    if (!line) throw new Error(`there is no line ${name}`)
    measured.push(await compare(name, line))
    console.error(`${name} done`)
  }
} finally {
  rmSync(scratch, { recursive: true, force: true })
}
const names = ['scikit-learn', 'isotree', 'onnxruntime', 'C twin']
printTable([
  ['line', 'M rows/s', ...names.map((name) => `${name} (of the least times)`)],
  ...measured.map(({ name, rows, call, seconds, ratios }) => [
    name,
    ((call ?? rows) / median(seconds['deepwatch']!) / 1e6).toFixed(3),
    ...names.map((rival) => {
      const entry = ratios[rival]
      return entry ? `${entry.ratio.toFixed(2)} (${entry.least.toFixed(2)})` : '-'
    }),
  ]),
])
const machine = describeMachine()
console.log(JSON.stringify({ ...found, ...machine }))
writeResult(`kernel-node${process.versions.node.split('.')[0]}`, { measured, rivals: found, machine })

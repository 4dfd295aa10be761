/** Growth with rows, features and trees: a file is trained on and scored by path, in a fresh service for each size. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { generateNormal } from '../generate.ts'
import { post } from '../online/sides.ts'
import { type BenchService, peakPss, startService, treeCpu, treePss } from '../service/service.ts'
import type { Axis, Measure, Point } from './axis.ts'

interface Shape {
  readonly rows: number
  readonly features: number
  readonly trees: number
}

const usual = { features: 8, trees: 100 }
/** Rounds of what takes less than `short` seconds the first time, which starts threads and compiles, for a second or two, and does not count. */
const rounds = 3
const short = 8

/** Clock and processor seconds, the least of the rounds, and the highest PSS of all processes, in MiB. */
async function repeated(service: BenchService, work: () => Promise<string>) {
  const [clock, processor]: [number[], number[]] = [[], []]
  let peak = 0
  do {
    const before = treeCpu(service.pid)
    const one = await peakPss(service.pid, work)
    processor.push(treeCpu(service.pid) - before)
    clock.push(one.seconds)
    peak = Math.max(peak, one.peak, treePss(service.pid))
  } while (clock.length < rounds && clock[0]! < short)
  const least = (times: readonly number[]) => Math.min(...(times.length > 1 ? times.slice(1) : times))
  return { seconds: least(clock), processor: least(processor), mib: peak / 2 ** 20 }
}

/** Trains on the file and scores it, `return=none`. */
async function measureFile(folder: string, file: string, { rows, trees }: Shape): Promise<Point['figures']> {
  const service = await startService({ DEEPWATCH_DATA_ROOTS: folder })
  try {
    const source = { path: file }
    const detector = { type: 'isolation-forest', trees, seed: 1 }
    const train = await repeated(service, () =>
      post(`${service.url}/train`, JSON.stringify({ model: 'm', source, detector })),
    )
    const score = await repeated(service, async () => {
      const answer = await post(`${service.url}/score`, JSON.stringify({ model: 'm', source, return: 'none' }))
      const scored = (JSON.parse(answer) as { rows: number }).rows
      if (scored !== rows) throw new Error(`${scored} of ${rows} rows were scored`)
      return answer
    })
    return {
      trainSeconds: train.seconds,
      scoreSeconds: score.seconds,
      trainProcessor: train.processor,
      scoreProcessor: score.processor,
      trainMiB: train.mib,
      scoreMiB: score.mib,
    }
  } finally {
    await service.stop()
  }
}

/** Measures shapes one after the other; a file is made when its shape differs from the one before. */
async function measureShapes(shapes: readonly Shape[], sizeOf: (shape: Shape) => number): Promise<Point[]> {
  const folder = mkdtempSync(join(tmpdir(), 'deepwatch-growth-'))
  const points: Point[] = []
  let made = ''
  try {
    for (const shape of shapes) {
      const file = `${shape.rows}x${shape.features}.parquet`
      if (file !== made) {
        rmSync(join(folder, made || file), { force: true })
        generateNormal(join(folder, file), shape)
        made = file
      }
      points.push({ size: sizeOf(shape), figures: await measureFile(folder, file, shape) })
    }
    return points
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const measures: readonly Measure[] = [
  { key: 'trainSeconds', line: 'training', unit: 's', expected: 1 },
  { key: 'scoreSeconds', line: 'scoring', unit: 's', expected: 1 },
  { key: 'trainProcessor', line: 'training', unit: 'processor s', expected: 1 },
  { key: 'scoreProcessor', line: 'scoring', unit: 'processor s', expected: 1 },
  { key: 'trainMiB', line: 'training', unit: 'MiB', expected: 0 },
  { key: 'scoreMiB', line: 'scoring', unit: 'MiB', expected: 0 },
]

export const rows: Axis = {
  name: 'rows',
  fixed: '8 features, 100 trees',
  measures,
  run: (large) =>
    measureShapes(
      [1e3, 1e4, 1e5, 1e6, 1e7, ...(large ? [1e8] : [])].map((rows) => ({ ...usual, rows })),
      (shape) => shape.rows,
    ),
}

export const features: Axis = {
  name: 'features',
  fixed: '200,000 rows, 100 trees',
  measures,
  run: () =>
    measureShapes(
      [1, 2, 5, 10, 20, 50, 100, 200].map((features) => ({ ...usual, rows: 200_000, features })),
      (shape) => shape.features,
    ),
}

export const trees: Axis = {
  name: 'trees',
  fixed: '500,000 rows, 8 features',
  measures,
  run: () =>
    measureShapes(
      [10, 30, 100, 300, 1000].map((trees) => ({ ...usual, rows: 500_000, trees })),
      (shape) => shape.trees,
    ),
}

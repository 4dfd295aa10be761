/**
 * The table of detection quality: every labelled set, every detector, with and without guards, beside what others reach and
 * beside a random score. Labels are used for judging alone; settings are the same everywhere.
 *
 *   node dist/bench/quality/run.js [--quick] [--data folder] [--seeds n] [--only family,…] [--detector id,…]
 *                                  [--windows] [--smooth] [--ablation]
 *
 * --quick: one seed, tables of at most 50,000 rows, no refitted series. --windows adds features of the rows before to hosts;
 * --smooth averages the score over the same number of rows. --ablation judges the pieces of auto instead of the detectors, each
 * alone and each left out, on asd, jumpstarter, smd and skab unless others are asked for.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Detector, DetectorParams } from '../../src/detectors/detector.ts'
import { detectors } from '../../src/detectors/list.ts'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { describeMachine, printTable, writeResult } from '../report.ts'
import { type Variant, variants } from './ablation.ts'
import { judgeAutoSeries, judgeAutoSet } from './auto.ts'
import { baselines } from './baselines.ts'
import { type Figures, figuresOf, meanFigures } from './figures.ts'
import { type Judged, judgedLabels, judgeSeries, judgeSet, step, warmUp } from './judge.ts'
import {
  type LabelledSet,
  readBenchRuns,
  readChannels,
  readHosts,
  readSeries,
  readTables,
  type Series,
} from './sets.ts'
import { withWindows } from './windows.ts'

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    data: { type: 'string', default: process.env['DEEPWATCH_BENCH_DATA'] ?? '../shared/data' },
    seeds: { type: 'string' },
    only: { type: 'string' },
    detector: { type: 'string' },
    windows: { type: 'boolean', default: false },
    smooth: { type: 'boolean', default: false },
    ablation: { type: 'boolean', default: false },
  },
})
const root = resolve(options.data)
const seeds = Array.from({ length: Number(options.seeds ?? (options.quick ? 1 : 3)) }, (_, i) => i + 1)
/** Detectors as they are, and what the rule makes of each set; or the pieces of the rule. */
interface Line {
  readonly id: string
  judge(set: LabelledSet | Series, seed: number): Judged
}
const autoLine = (variant?: Variant): Line => ({
  id: variant?.id ?? 'auto',
  judge: (set, seed) =>
    'values' in set
      ? judgeAutoSeries(set, seed, Math.floor(set.values.length * warmUp), step, variant)
      : judgeAutoSet(set, seed, variant),
})
const detectorLine = (detector: Detector): Line => ({
  id: detector.id,
  judge: (set, seed) => judge(detector, detector.params.parse({ type: detector.id }), set, seed),
})
const lines = options.ablation ? variants.map(autoLine) : [...[...detectors.values()].map(detectorLine), autoLine()]
const wanted = lines.filter(({ id }) => options.detector?.split(',').includes(id) ?? true)

const families: Record<string, () => Promise<(LabelledSet | Series)[]>> = {
  adbench: () => readTables(root, options.quick ? 50_000 : 600_000),
  asd: () => readHosts(root, 'asd'),
  jumpstarter: () => readHosts(root, 'jumpstarter'),
  smd: () => readHosts(root, 'smd'),
  skab: () => readBenchRuns(root),
  smap: () => readChannels(root),
  cloud_monitoring: () => readSeries(root),
}

/** Rows of an hour, or half of one at a minute each. */
const windowOf = (family: string) => (family === 'smd' ? 30 : 12)

function judge(detector: Detector, params: DetectorParams, set: LabelledSet | Series, seed: number): Judged {
  if ('values' in set) return judgeSeries(detector, params, set, seed, windowOf(set.family))
  const isOrdered = set.test !== set.train
  const given = options.windows && isOrdered ? withWindows(set, windowOf(set.family)) : set
  return judgeSet(detector, params, given, seed, options.smooth && isOrdered ? windowOf(set.family) : 1)
}

function randomFigures(set: LabelledSet | Series): Figures {
  const labels = judgedLabels(set)
  const random = createRandom(1, 0)
  return figuresOf(
    Float64Array.from(labels, () => random.nextFloat()),
    labels,
    0.99,
  )
}

const round = (value: number | null) => (value === null ? '' : value.toFixed(3).replace(/^0/, ''))
const cells = (figures: Figures) => [
  ...[figures.averagePrecision, figures.rocAuc, figures.bestF1, figures.f1AtContamination, figures.f1AtThreshold].map(
    round,
  ),
  round(figures.falseAlarms),
]

interface Result {
  readonly family: string
  readonly detector: string
  readonly plain: Figures
  readonly guarded: Figures
  readonly rowsPerSecond: number
  readonly sets: readonly Judged[]
}
const results: Result[] = []
for (const [family, read] of Object.entries(families)) {
  const isAsked =
    (options.only ?? (options.ablation ? 'asd,jumpstarter,smd,skab' : undefined))?.split(',').includes(family) ??
    !(options.quick && family === 'cloud_monitoring')
  if (!isAsked) continue
  // A series without an anomaly has no ranking.
  const sets = (await read()).filter((set) => judgedLabels(set).includes(1))
  const rows: (string | number)[][] = []
  for (const detector of wanted) {
    const judged = sets.flatMap((set) => seeds.map((seed) => ({ set: set.name, seed, ...detector.judge(set, seed) })))
    const plain = meanFigures(judged.map((one) => one.plain))
    const guarded = meanFigures(judged.map((one) => one.guarded))
    const rate = Math.round(judged.reduce((sum, one) => sum + one.rowsPerSecond, 0) / judged.length)
    rows.push([detector.id, ...cells(plain), rate], [`  with guards`, ...cells(guarded), ''])
    results.push({ family, detector: detector.id, plain, guarded, rowsPerSecond: rate, sets: judged })
  }
  rows.push(['random score', ...cells(meanFigures(sets.map(randomFigures))), ''])
  for (const [name, figures] of Object.entries(baselines[family] ?? {}))
    rows.push([`* ${name}`, ...figures.map(round), '', ''])
  console.log(
    `\n${family}: ${sets.length} sets, ${seeds.length} seeds${options.windows ? ', features of the rows before' : ''}`,
  )
  printTable([
    ['', 'PR-AUC', 'ROC-AUC', 'best F1', 'F1 at contamination', 'F1 at train 99 %', 'false alarms', 'rows/s'],
    ...rows,
  ])
}

/** The mean over families weighs every family the same, however many hosts it has. */
const hosts = ['asd', 'jumpstarter', 'smd']
const summary = wanted.flatMap(({ id }) => {
  const own = results.filter(({ detector, family }) => detector === id && hosts.includes(family))
  if (own.length < hosts.length) return []
  return [
    {
      detector: id,
      plain: meanFigures(own.map(({ plain }) => plain)),
      guarded: meanFigures(own.map(({ guarded }) => guarded)),
    },
  ]
})
if (summary.length > 0) {
  console.log('\nhosts: mean of asd, jumpstarter and smd; target PR-AUC .450, best F1 .500')
  const rows = summary.flatMap(({ detector, plain, guarded }) => [
    [detector, ...cells(plain)],
    ['  with guards', ...cells(guarded)],
  ])
  printTable([['', 'PR-AUC', 'ROC-AUC', 'best F1', 'F1 at contamination', 'F1 at train 99 %', 'false alarms'], ...rows])
}
console.log('\n* measured elsewhere on the same sets, see bench/README.md')
const { node, processor } = describeMachine()
const name = [
  'quality',
  options.quick ? 'quick' : 'table',
  ...(options.detector ? [options.detector.replaceAll(',', '+')] : []),
  ...(options.windows ? ['windows'] : []),
  ...(options.smooth ? ['smooth'] : []),
  ...(options.ablation ? ['ablation'] : []),
].join('-')
writeResult(name, { seeds, node, processor, options, summary, results })

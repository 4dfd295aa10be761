/** The rule of `"detector": {"type": "auto"}` on labelled sets, as a training follows it: its features, its detector, its threshold. */
import { detectors } from '../../src/detectors/list.ts'
import { Habituation } from '../../src/kernels/history/habituation.ts'
import { History, rowHistory } from '../../src/kernels/history/history.ts'
import { raiseOutside } from '../../src/kernels/scores/guards.ts'
import { describeDerived, historyQuery } from '../../src/telemetry/derived.ts'
import { createTimeContext } from '../../src/telemetry/time-context.ts'
import { type AutoPlan, chooseAuto, maxWithoutHistory } from '../../src/training/auto.ts'
import { planTimeContext } from '../../src/training/time.ts'
import type { Variant } from './ablation.ts'
import { figuresOf } from './figures.ts'
import { fitDetector, scoreBlock, wholeBlock } from './fit.ts'
import { type Judged, thresholdOf } from './judge.ts'
import type { LabelledSet, Series } from './sets.ts'
import { smoothed } from './windows.ts'

/** What the rule chooses, as it is. */
const asChosen: Variant = { id: 'auto', change: (plan) => plan }

/** Rows in order of time, the first of which are trained on. */
interface Telemetry {
  readonly columns: readonly Float64Array[]
  readonly times: Float64Array | undefined
  readonly trainRows: number
}

interface Prepared {
  readonly plan: AutoPlan
  /** The first columns, which are measured; absent when nothing is derived. */
  readonly measured: number | undefined
  readonly columns: readonly Float64Array[]
  /** 1 for a row whose derived features are all known. */
  readonly known: Uint8Array
}

const names = (columns: readonly Float64Array[]) => columns.map((_, index) => `m${index}`)

function prepare({ columns, times, trainRows }: Telemetry, seed: number, variant: Variant): Prepared {
  const rows = columns[0]!.length
  const learnt = times?.subarray(0, trainRows)
  const steps = learnt ? learnt.slice(1).map((time, i) => time - learnt[i]!) : new Float64Array(0)
  const moving = steps.filter((step) => step > 0).sort()
  const interval = moving[Math.ceil(moving.length / 2) - 1] ?? null
  const tied = steps.length > 0 ? 1 - moving.length / steps.length : null
  const shape = { columns: names(columns), hasTimestamp: times !== undefined, rows: trainRows, tied, ownDerived: false }
  const make = (chosen: AutoPlan): Prepared => {
    const plan = variant.change(chosen)
    const known = new Uint8Array(rows).fill(1)
    const described = plan.derived.map((feature) =>
      describeDerived(feature, { kind: 'number', type: 'DOUBLE' }, interval),
    )
    const query = historyQuery(described, null, 0)
    const derived = described.map(() => new Float64Array(rows))
    if (query && times) {
      const history = new History({ columns: columns.length, derivations: query.derivations })
      const out = new Float64Array(derived.length)
      const base = new Float64Array(columns.length)
      for (let row = 0; row < rows; row++) {
        for (let c = 0; c < base.length; c++) base[c] = columns[c]![row]!
        if (history.take(times[row]!, base, out) !== rowHistory.complete) known[row] = 0
        for (let d = 0; d < out.length; d++) derived[d]![row] = out[d]!
      }
    }
    const measured = derived.length > 0 ? columns.length : undefined
    return { plan, measured, columns: [...columns, ...derived, ...clock(times, trainRows)], known }
  }
  const first = make(chooseAuto(shape, seed))
  const lacking = 1 - first.known.subarray(0, trainRows).reduce((sum, one) => sum + one, 0) / trainRows
  return lacking <= maxWithoutHistory ? first : make(chooseAuto(shape, seed, 'too little history'))
}

/** The time context that a training adds by default. */
function clock(times: Float64Array | undefined, trainRows: number): Float64Array[] {
  const learnt = times?.subarray(0, trainRows)
  const [from, to] = learnt ? [learnt[0]!, learnt.at(-1)!] : [null, null]
  const { columns, transitions } = planTimeContext({}, times ? 'timestamp' : null, {
    rows: trainRows,
    rowsInWindow: trainRows,
    from,
    to,
  })
  if (!times || !transitions) return []
  const context = createTimeContext(transitions)
  return columns.map((column) => times.map((time) => context.value(column, time)))
}

/** Rows from..to-1 that have their history. */
function pick({ columns, known }: Prepared, from: number, to: number) {
  const positions = Array.from({ length: to - from }, (_, i) => from + i).filter((row) => known[row] === 1)
  return {
    rows: positions.length,
    columns: columns.map((column) => Float64Array.from(positions, (row) => column[row]!)),
    positions,
  }
}

interface Scored {
  readonly plain: Float64Array
  readonly guarded: Float64Array
  readonly level: number
  readonly fitSeconds: number
  readonly scoreSeconds: number
}

/** Scores rows from..to-1; one without history scores 0, so that it is neither flagged nor left out of the judging. */
function scoreRows(
  prepared: Prepared,
  { smooth = 1 }: Variant,
  [trainRows, from, to]: readonly [number, number, number],
  seed: number,
): Scored {
  const { plan } = prepared
  const detector = detectors.get(plan.detector.type)!
  const train = wholeBlock(pick(prepared, 0, trainRows))
  const fitted = fitDetector(detector, plan.detector, train, seed, prepared.measured)
  let level = 'value' in plan.threshold ? plan.threshold.value : 0
  if ('contamination' in plan.threshold)
    level = thresholdOf(smoothed(scoreBlock(detector, fitted.payload, train), smooth), plan.threshold.contamination)
  const judged = pick(prepared, from, to)
  const block = wholeBlock(judged)
  const started = performance.now()
  const scores = scoreBlock(detector, fitted.payload, block)
  const scoreSeconds = (performance.now() - started) / 1000
  const raised = scores.slice()
  // Lanes that are not measured come behind those that are.
  const guarded = plan.guardsDerived ? block.columns : (prepared.measured ?? block.columns)
  const { min, max } = fitted.profile
  raiseOutside({ min: min.subarray(0, guarded), max: max.subarray(0, guarded), level }, block, 0, block.rows, raised)
  const spread = (scores: Float64Array) => {
    const { habituation } = plan
    const usual = habituation && new Habituation({ rows: habituation.window, line: level })
    const smoothScores = smoothed(scores, smooth)
    const values = usual ? smoothScores.map((score) => usual.take(score)) : smoothScores
    const all = new Float64Array(to - from)
    for (const [index, row] of judged.positions.entries()) all[row - from] = values[index]!
    return all
  }
  return { plain: spread(scores), guarded: spread(raised), level, fitSeconds: fitted.seconds, scoreSeconds }
}

/** A host, or a table of independent rows, which are judged themselves. */
export function judgeAutoSet(set: LabelledSet, seed: number, variant = asChosen): Judged {
  const isTable = set.test === set.train
  const columns = isTable
    ? set.train.columns
    : set.train.columns.map((column, f) => Float64Array.from([...column, ...set.test.columns[f]!]))
  const trainRows = set.train.rows
  const prepared = prepare({ columns, times: set.times, trainRows }, seed, variant)
  const [from, to] = isTable ? [0, trainRows] : [trainRows, trainRows + set.test.rows]
  const { plain, guarded, level, fitSeconds, scoreSeconds } = scoreRows(prepared, variant, [trainRows, from, to], seed)
  return {
    plain: figuresOf(plain, set.labels, level),
    guarded: figuresOf(guarded, set.labels, level),
    fitSeconds,
    rowsPerSecond: (to - from) / scoreSeconds,
  }
}

/** As `judgeSeries`: causal, chosen and fitted anew after every 20th of the series. */
export function judgeAutoSeries(
  { values, times, labels }: Series,
  seed: number,
  begin: number,
  step: number,
  variant = asChosen,
): Judged {
  const rows = values.length
  const [plain, guarded, excess, bareExcess] = Array.from({ length: 4 }, () => new Float64Array(rows)) as [
    Float64Array,
    Float64Array,
    Float64Array,
    Float64Array,
  ]
  let [fitSeconds, scoreSeconds] = [0, 0]
  for (let from = begin; from < rows; ) {
    const to = Math.min(rows, Math.max(from + 1, Math.floor(from + rows * step)))
    const upTo = { columns: [values.subarray(0, to)], times: times.subarray(0, to), trainRows: from }
    const scored = scoreRows(prepare(upTo, seed, variant), variant, [from, from, to], seed)
    plain.set(scored.plain, from)
    guarded.set(scored.guarded, from)
    excess.set(
      scored.guarded.map((score) => score - scored.level),
      from,
    )
    bareExcess.set(
      scored.plain.map((score) => score - scored.level),
      from,
    )
    fitSeconds += scored.fitSeconds
    scoreSeconds += scored.scoreSeconds
    from = to
  }
  const later = labels.subarray(begin)
  const judge = (scores: Float64Array, above: Float64Array) => {
    const { f1AtThreshold, falseAlarms } = figuresOf(above.subarray(begin), later, 0)
    return { ...figuresOf(scores.subarray(begin), later, 1), f1AtThreshold, falseAlarms }
  }
  return {
    plain: judge(plain, bareExcess),
    guarded: judge(guarded, excess),
    fitSeconds,
    rowsPerSecond: (rows - begin) / scoreSeconds,
  }
}

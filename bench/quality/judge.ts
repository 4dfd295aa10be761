/** Fits a detector to a labelled set, scores it, and says how good the scores are, with and without guards. */
import type { Detector, DetectorParams } from '../../src/detectors/detector.ts'
import type { Block } from '../../src/kernels/block.ts'
import { raiseOutside } from '../../src/kernels/scores/guards.ts'
import { createTopScores } from '../../src/kernels/scores/top-scores.ts'
import { type Figures, figuresOf } from './figures.ts'
import { type Fitted, fitDetector, scoreBlock, wholeBlock } from './fit.ts'
import type { LabelledSet, Series } from './sets.ts'
import { cut, seriesColumns, smoothed } from './windows.ts'

export interface Judged {
  readonly plain: Figures
  readonly guarded: Figures
  readonly fitSeconds: number
  readonly rowsPerSecond: number
}

/** The threshold of the service: at most this share of the training rows lies above. */
export function thresholdOf(scores: Float64Array, contamination: number = 0.01): number {
  const top = createTopScores(scores.length, contamination)
  for (;;) {
    top.offer(scores)
    const found = top.finish()
    if (found) return found.value
  }
}

function raised(scores: Float64Array, block: Block, { profile }: Fitted, level: number): Float64Array {
  const copy = scores.slice()
  raiseOutside({ min: profile.min, max: profile.max, level }, block, 0, block.rows, copy)
  return copy
}

/** Later rows are judged, or the same ones when train and test are one. @param smooth rows the score is averaged over, 1 = none */
export function judgeSet(
  detector: Detector,
  params: DetectorParams,
  set: LabelledSet,
  seed: number,
  smooth: number,
): Judged {
  const train = wholeBlock(set.train)
  const test = set.test === set.train ? train : wholeBlock(set.test)
  const fitted = fitDetector(detector, params, train, seed)
  const started = performance.now()
  const scores = scoreBlock(detector, fitted.payload, test)
  const seconds = (performance.now() - started) / 1000
  const learnt = test === train ? scores : scoreBlock(detector, fitted.payload, train)
  const level = thresholdOf(learnt)
  const line = smooth > 1 ? thresholdOf(smoothed(learnt, smooth)) : level
  const figures = (values: Float64Array) => figuresOf(smooth > 1 ? smoothed(values, smooth) : values, set.labels, line)
  return {
    plain: figures(scores),
    guarded: figures(raised(scores, test, fitted, level)),
    fitSeconds: fitted.seconds,
    rowsPerSecond: test.rows / seconds,
  }
}

/** Shares of a series: before it is judged, and from one refit to the next. */
export const [warmUp, step] = [0.15, 0.05]

/** The labels that are judged: of a series those after the warm-up. */
export function judgedLabels(set: LabelledSet | Series): Uint8Array {
  return 'values' in set ? set.labels.subarray(Math.floor(set.values.length * warmUp)) : set.labels
}

/** Causal: fitted to all rows so far, again after every 20th of the series; the first rows are not judged. */
export function judgeSeries(
  detector: Detector,
  params: DetectorParams,
  series: Series,
  seed: number,
  length: number,
): Judged {
  const columns = seriesColumns(series, length)
  const rows = series.values.length
  const [plain, guarded] = [new Float64Array(rows), new Float64Array(rows)]
  const lines = new Float64Array(rows)
  const begin = Math.floor(rows * warmUp)
  let fitSeconds = 0
  let scoreSeconds = 0
  for (let from = begin; from < rows; ) {
    const to = Math.min(rows, Math.max(from + 1, Math.floor(from + rows * step)))
    const train = wholeBlock(cut(columns, 0, from))
    const fitted = fitDetector(detector, params, train, seed)
    const level = thresholdOf(scoreBlock(detector, fitted.payload, train))
    const test = wholeBlock(cut(columns, from, to))
    const started = performance.now()
    const scores = scoreBlock(detector, fitted.payload, test)
    scoreSeconds += (performance.now() - started) / 1000
    plain.set(scores, from)
    guarded.set(raised(scores, test, fitted, level), from)
    lines.fill(level, from, to)
    fitSeconds += fitted.seconds
    from = to
  }
  const labels = judgedLabels(series)
  // Each row has the threshold of the model that scored it: the ranking is by score, the flag by the difference.
  const judge = (scores: Float64Array) => {
    const later = scores.subarray(begin)
    const flags = later.map((score, i) => (score > lines[begin + i]! ? 1 : 0))
    const { f1AtThreshold, falseAlarms } = figuresOf(flags, labels, 0)
    return { ...figuresOf(later, labels, 1), f1AtThreshold, falseAlarms }
  }
  return { plain: judge(plain), guarded: judge(guarded), fitSeconds, rowsPerSecond: (rows - begin) / scoreSeconds }
}

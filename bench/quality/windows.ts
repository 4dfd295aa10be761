/** Features of the rows before, made here so that detectors can be judged with them before the service makes any. */
import type { Matrix } from '../matrix.ts'
import type { LabelledSet, Series } from './sets.ts'

/** Adds to every column its change, its distance from the mean of the `length` rows before, and their deviation. */
export function withWindows(set: LabelledSet, length: number): LabelledSet {
  const rows = set.train.rows
  const columns = set.train.columns.flatMap((column, f) => {
    const whole = new Float64Array(rows + set.test.rows)
    whole.set(column)
    whole.set(set.test.columns[f]!, rows)
    return windowColumns(whole, length)
  })
  return { ...set, train: cut(columns, 0, rows), test: cut(columns, rows, rows + set.test.rows) }
}

/** A single metric as columns: value, change, distance from the trailing mean, trailing deviation. */
export function seriesColumns({ values }: Series, length: number): Float64Array[] {
  return windowColumns(values, length)
}

export const cut = (columns: readonly Float64Array[], from: number, to: number): Matrix => ({
  rows: to - from,
  columns: columns.map((column) => column.slice(from, to)),
})

function windowColumns(values: Float64Array, length: number): Float64Array[] {
  const change = values.map((value, i) => (i === 0 ? 0 : value - values[i - 1]!))
  const distance = new Float64Array(values.length)
  const deviation = new Float64Array(values.length)
  for (let i = 1; i < values.length; i++) {
    const before = values.subarray(Math.max(0, i - length), i)
    const mean = before.reduce((sum, value) => sum + value, 0) / before.length
    distance[i] = values[i]! - mean
    deviation[i] = Math.sqrt(before.reduce((sum, value) => sum + (value - mean) ** 2, 0) / before.length)
  }
  return [values, change, distance, deviation]
}

/** The mean of the score over the last `length` rows, the row itself among them: a delay of half of that. */
export function smoothed(scores: Float64Array, length: number): Float64Array {
  if (length === 1) return scores
  let sum = 0
  return scores.map((score, i) => {
    sum += score - (i >= length ? scores[i - length]! : 0)
    return sum / Math.min(i + 1, length)
  })
}

import { type Block, select, shareBytes } from '../index.ts'
import { countUp, type Sample } from '../sampling/index.ts'
import { quantileOf, quantilePlaces } from './scaling.ts'

/**
 * What the rows of a block, or of several merged ones, look like: one entry per column in every array.
 * `min` and `max` are +Infinity and -Infinity where a column has no finite value; mean and std (of the
 * population) are over the finite values, 0 where there are none.
 *
 * The standard deviation is kept instead of the usual sum of squares, because it never leaves the
 * range of the data: with values of +-1e308 the sum of squares would be Infinity.
 */
export interface Profile {
  readonly rows: number
  readonly finite: Float64Array
  readonly missing: Float64Array
  readonly infinite: Float64Array
  readonly min: Float64Array
  readonly max: Float64Array
  readonly mean: Float64Array
  readonly std: Float64Array
}

/** What a profile tells of one column. */
type ColumnProfile = { readonly [Key in Exclude<keyof Profile, 'rows'>]: number }

const noValues: ColumnProfile = {
  ...{ finite: 0, missing: 0, infinite: 0, mean: 0, std: 0 },
  ...{ min: Number.POSITIVE_INFINITY, max: Number.NEGATIVE_INFINITY },
}

function profileOf(rows: number, columns: number, columnAt: (f: number) => ColumnProfile): Profile {
  const all = Array.from({ length: columns }, (_, f) => columnAt(f))
  const list = (key: keyof ColumnProfile) => Float64Array.from(all, (column) => column[key])
  return {
    rows,
    ...{ finite: list('finite'), missing: list('missing'), infinite: list('infinite') },
    ...{ min: list('min'), max: list('max'), mean: list('mean'), std: list('std') },
  }
}

/** A profile of no rows. */
export const emptyProfile = (columns: number): Profile => profileOf(0, columns, () => noValues)

/**
 * Profiles the first `columns` columns of a block. With `marks` (one per row, see `rowMarks`) only rows marked
 * usable count as finite values; missing and infinite ones are counted over all rows.
 */
export function profileBlock(block: Block, columns: number, marks: Uint8Array | null = null): Profile {
  const { values, stride, rows } = block
  return profileOf(rows, columns, (f) => profileColumn(values.subarray(f * stride, f * stride + rows), marks))
}

function profileColumn(column: Float64Array, marks: Uint8Array | null): ColumnProfile {
  const range = rangeOf(column, marks)
  const { finite, min, max } = range
  if (finite === 0) return { ...noValues, ...range }
  const scale = scaleFor(Math.max(Math.abs(min), Math.abs(max)))
  const isUsable = (row: number) => marks === null || marks[row] === rowMarks.usable
  // Most columns have nothing to pass over: their loops ask nothing of a value, and add in the same order.
  const kept = finite === column.length ? column : column.filter((value, row) => value - value === 0 && isUsable(row))
  const mean = sumOf(kept, scale) / finite
  const squares = squaresOf(kept, scale, mean)
  const std = min === max ? 0 : Math.min(Math.sqrt(squares / finite) / scale, Number.MAX_VALUE)
  return { ...range, mean: clamp(mean / scale, min, max), std }
}

function rangeOf(column: Float64Array, marks: Uint8Array | null) {
  let missing = 0
  let infinite = 0
  let finite = 0
  let min = Number.POSITIVE_INFINITY
  let max = Number.NEGATIVE_INFINITY
  for (let i = 0; i < column.length; i++) {
    const value = column[i]!
    if (value - value !== 0) {
      if (Number.isNaN(value)) missing++
      else infinite++
      continue
    }
    if (marks !== null && marks[i] !== rowMarks.usable) continue
    finite++
    if (value < min) min = value
    if (value > max) max = value
  }
  return { missing, infinite, finite, min, max }
}

function sumOf(values: Float64Array, scale: number): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) sum += values[i]! * scale
  return sum
}

/** Sum of the squared distances from `mean`, of values times `scale`. */
function squaresOf(values: Float64Array, scale: number, mean: number): number {
  let sum = 0
  for (let i = 0; i < values.length; i++) {
    const distance = values[i]! * scale - mean
    sum += distance * distance
  }
  return sum
}

/** 1, or a factor that brings extreme magnitudes near 1, so that squares neither overflow nor vanish. */
function scaleFor(magnitude: number): number {
  if (magnitude === 0 || (magnitude > 1e-140 && magnitude < 1e140)) return 1
  return 2 ** Math.min(1020, Math.max(-1020, -Math.floor(Math.log2(magnitude))))
}

function clamp(value: number, min: number, max: number): number {
  return value < min ? min : value > max ? max : value
}

/**
 * Merges the profiles of two runs of rows, the earlier first (Chan, Golub and LeVeque 1983, equation
 * 2.1, in terms of means and deviations). Merging in source order gives the same bits for any threads.
 */
export const mergeProfiles = (a: Profile, b: Profile): Profile =>
  profileOf(a.rows + b.rows, a.finite.length, (f) => mergeColumn(a, b, f))

function mergeColumn(a: Profile, b: Profile, f: number): ColumnProfile {
  const at = (array: Float64Array) => array[f]!
  const finite = at(a.finite) + at(b.finite)
  const min = Math.min(at(a.min), at(b.min))
  const max = Math.max(at(a.max), at(b.max))
  const missing = at(a.missing) + at(b.missing)
  const infinite = at(a.infinite) + at(b.infinite)
  if (finite === 0) return { ...noValues, missing, infinite }
  const shareA = at(a.finite) / finite
  const shareB = at(b.finite) / finite
  const half = at(b.mean) / 2 - at(a.mean) / 2
  const mean = Math.abs(half) < 1e307 ? at(a.mean) + 2 * half * shareB : at(a.mean) * shareA + at(b.mean) * shareB
  const between = half * (2 * Math.sqrt(shareA * shareB))
  const std = norm(at(a.std) * Math.sqrt(shareA), at(b.std) * Math.sqrt(shareB), between)
  return {
    ...{ finite, missing, infinite, min, max },
    ...{ mean: clamp(mean, min, max), std: min === max ? 0 : Math.min(std, Number.MAX_VALUE) },
  }
}

/** sqrt(x^2 + y^2 + z^2) without overflow on the way. */
function norm(x: number, y: number, z: number): number {
  const scale = Math.max(Math.abs(x), Math.abs(y), Math.abs(z))
  return scale === 0 ? 0 : scale * Math.sqrt((x / scale) ** 2 + (y / scale) ** 2 + (z / scale) ** 2)
}

/** Columns that take more than one finite value, ascending. The others cannot be split. */
export function varyingColumns(profile: Profile): number[] {
  return [...profile.min.keys()].filter((f) => profile.min[f]! < profile.max[f]!)
}

/** Marks of rows: usable, with a missing value (NaN), or with +-Infinity and nothing missing. */
export const rowMarks = { usable: 0, filled: 1, missing: 2, nonFinite: 3 } as const

/** How many row positions `findUnusable` names per column. */
export const namedRows = 5

export interface Unusable {
  /** One mark per row of the block (`rowMarks`), in shared memory; null when every row is usable. */
  readonly marks: Uint8Array<SharedArrayBuffer> | null
  /** Rows that are not usable. */
  readonly count: number
  /** Per column the first rows (positions in the block, at most `namedRows`) whose value is not finite. */
  readonly firsts: readonly (readonly number[])[]
}

/** Finds the rows of a block that have a value which is not finite in one of its first columns. */
export function findUnusable(block: Block, profile: Profile): Unusable {
  const { values, stride, rows } = block
  const columns = profile.finite.length
  const firsts: number[][] = Array.from({ length: columns }, () => [])
  let marks: Uint8Array<SharedArrayBuffer> | null = null
  let count = 0
  for (let f = 0; f < columns; f++) {
    if (profile.finite[f] === rows) continue
    marks ??= new Uint8Array(shareBytes(rows))
    const named = firsts[f] as number[]
    for (let r = 0; r < rows; r++) {
      const value = values[f * stride + r]!
      if (value - value === 0) continue
      if (named.length < namedRows) named.push(r)
      if (marks[r] === rowMarks.usable) count++
      if (Number.isNaN(value)) marks[r] = rowMarks.missing
      else if (marks[r] === rowMarks.usable) marks[r] = rowMarks.nonFinite
    }
  }
  return { marks, count, firsts }
}

/** Positions of the rows marked usable, ascending; null when there are no marks, that is all of them. */
export function usableRows(marks: Uint8Array | null): Uint32Array | null {
  if (marks === null) return null
  return countUp(marks.length).filter((row) => marks[row] === rowMarks.usable)
}

/** Rows of the sample from which quantiles are taken: exact for any source of at most this many rows. */
export const profileSampleRows = 65_536

/**
 * Quantiles of the finite values of one column of a sample, by linear interpolation between the sorted
 * values (type 7 of Hyndman and Fan 1996, what numpy does). NaN where the column has no finite value.
 *
 * @param probabilities each in [0, 1]
 */
export function quantiles({ values: all, size, filled }: Sample, column: number, probabilities: readonly number[]) {
  const values = all.subarray(column * size, column * size + filled).filter(Number.isFinite)
  const last = values.length - 1
  if (last < 0) return probabilities.map(() => Number.NaN)
  select(values, quantilePlaces(probabilities, values.length))
  return probabilities.map((probability) => {
    const below = Math.floor(probability * last)
    return clamp(quantileOf(values, probability), values[below]!, values[Math.min(below + 1, last)]!)
  })
}

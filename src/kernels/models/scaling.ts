import { select } from '../index.ts'
import type { Sample } from '../sampling/index.ts'
import type { Numbers } from './payload.ts'

/**
 * What one unit of a feature is: a value x stands (x - centre) / spread units from the middle of the training
 * rows. One entry per column; every spread is finite and above 0.
 */
export interface Scale {
  readonly centre: Float64Array
  readonly spread: Float64Array
}

const quartiles = [0.25, 0.5, 0.75]
type Quartiles = [number, number, number]
/** Interquartile range of a standard normal distribution. */
const normalQuartileRange = 1.3489795003921634
/** Standardised values are held within this, so that squares and sums of them stay finite. */
const farthest = 1e100

/**
 * Median and spread of each column. The spread is the larger of the interquartile range of the sample (divided by that of
 * a normal distribution) and the standard deviation of all rows: the range alone makes every burst of a metric that
 * mostly rests look a thousand units wide. 1 for a constant column.
 *
 * @param sample every value finite; at least one row
 * @param deviations standard deviation per column over all training rows, of which the sample may lack the rare ones
 */
export function robustScale(sample: Sample, deviations: Float64Array): Scale {
  const { columns, size, filled } = sample
  const centre = new Float64Array(columns)
  const spread = new Float64Array(columns)
  const places = quantilePlaces(quartiles, filled)
  for (let f = 0; f < columns; f++) {
    const values = sample.values.slice(f * size, f * size + filled)
    select(values, places)
    const [lower, median, upper] = quartiles.map((probability) => quantileOf(values, probability)) as Quartiles
    centre[f] = median
    const middle = (upper - lower) / normalQuartileRange
    const wide = Math.min(Math.max(middle, deviations[f]!), Number.MAX_VALUE)
    spread[f] = wide > 0 ? wide : 1
  }
  return { centre, spread }
}

/** The places, ascending, of `count` values between which quantiles lie. @param probabilities each in [0, 1] */
export function quantilePlaces(probabilities: readonly number[], count: number): Uint32Array {
  const below = probabilities.map((probability) => Math.floor(probability * (count - 1)))
  return Uint32Array.from([...below, ...below.map((place) => Math.min(place + 1, count - 1))]).sort()
}

/**
 * A quantile of ascending values by linear interpolation (type 7 of Hyndman and Fan 1996, what numpy does).
 *
 * @param sorted finite, not empty; ascending, or at least with those around the quantile in their places
 * @param probability in [0, 1]
 */
export function quantileOf(sorted: Float64Array, probability: number): number {
  const place = probability * (sorted.length - 1)
  const below = Math.floor(place)
  const low = sorted[below]!
  const high = sorted[Math.min(below + 1, sorted.length - 1)]!
  const share = place - below
  return low === high ? low : low * (1 - share) + high * share
}

/** (value - centre) / spread, held within +-`farthest`. Finite for every finite value. */
export function standardise(value: number, centre: number, spread: number): number {
  const scaled = (value - centre) / spread
  return scaled > farthest ? farthest : scaled < -farthest ? -farthest : scaled
}

/**
 * The features that a distance looks at, those that vary, and their units; see `robustScale`. One entry per such
 * feature in every array, in the model's order.
 */
export interface Standardised extends Scale {
  readonly columns: Float64Array
}

/** The units of a sample's features. @param varying columns, ascending @param deviations see `robustScale` */
export function standardisedFor(sample: Sample, varying: readonly number[], deviations: Float64Array): Standardised {
  const { centre, spread } = robustScale(sample, deviations)
  const columns = Float64Array.from(varying)
  const pick = (all: Float64Array) => columns.map((column) => all[column]!)
  return { columns, centre: pick(centre), spread: pick(spread) }
}

/** Reads the three arrays. @throws RangeError when a column is not one of `features` or not in order, or a spread is not above 0 */
export function readStandardised(numbers: Numbers, count: number, features: number): Standardised {
  const columns = numbers.next(count)
  const [centre, spread] = [numbers.next(count), numbers.next(count)]
  let next = 0
  for (const column of columns) {
    if (!Number.isInteger(column) || column < next || column >= features) throw new RangeError('a column is not valid')
    next = column + 1
  }
  for (const value of spread) if (!(value > 0)) throw new RangeError('a spread is not valid')
  return { columns, centre, spread }
}

/** Rows of a sample in these units: feature i of row r at r * count + i. */
export function standardisedRows(sample: Sample, { columns, centre, spread }: Standardised): Float64Array {
  const count = columns.length
  const rows = new Float64Array(sample.filled * count)
  for (let i = 0; i < count; i++) {
    const start = columns[i]! * sample.size
    for (let r = 0; r < sample.filled; r++)
      rows[r * count + i] = standardise(sample.values[start + r]!, centre[i]!, spread[i]!)
  }
  return rows
}

/** One row in these units. @param start where the row's features begin in `tile` @param target one entry per column, written */
export function standardiseRow(
  { columns, centre, spread }: Standardised,
  tile: Float64Array,
  start: number,
  target: Float64Array,
): void {
  for (let i = 0; i < columns.length; i++) target[i] = standardise(tile[start + columns[i]!]!, centre[i]!, spread[i]!)
}

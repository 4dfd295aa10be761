import type { Sample } from '../sampling/index.ts'
import type { Numbers } from './payload.ts'
import { robustScale, standardise } from './scaling.ts'

/**
 * The features that a distance looks at, those that vary, and their units; see `robustScale`. One entry per such
 * feature in every array, in the model's order.
 */
export interface Standardised {
  readonly columns: Float64Array
  readonly centre: Float64Array
  readonly spread: Float64Array
}

/**
 * The units of a sample's features.
 * @param varying columns, ascending
 * @param deviations see `robustScale`
 */
export function standardisedFor(sample: Sample, varying: readonly number[], deviations: Float64Array): Standardised {
  const { centre, spread } = robustScale(sample, deviations)
  const columns = Float64Array.from(varying)
  return {
    columns,
    centre: columns.map((column) => centre[column]!),
    spread: columns.map((column) => spread[column]!),
  }
}

/**
 * Reads the three arrays.
 * @throws RangeError when a column is not one of `features` or not in order, or a spread is not above 0
 */
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

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
 * @param varying lanes, ascending
 * @param deviations see `robustScale`
 */
export function standardisedFor(sample: Sample, varying: readonly number[], deviations: Float64Array): Standardised {
  const { centre, spread } = robustScale(sample, deviations)
  const lanes = Float64Array.from(varying)
  return {
    columns: lanes,
    centre: lanes.map((lane) => centre[lane] as number),
    spread: lanes.map((lane) => spread[lane] as number),
  }
}

/**
 * Reads the three arrays.
 * @throws RangeError when a lane is not one of `features` or not in order, or a spread is not above 0
 */
export function readStandardised(numbers: Numbers, count: number, features: number): Standardised {
  const lanes = numbers.next(count)
  const [centre, spread] = [numbers.next(count), numbers.next(count)]
  let least = 0
  for (const lane of lanes) {
    if (!Number.isInteger(lane) || lane < least || lane >= features) throw new RangeError('a lane is not valid')
    least = lane + 1
  }
  for (const value of spread) if (!(value > 0)) throw new RangeError('a spread is not valid')
  return { columns: lanes, centre, spread }
}

/** Rows of a sample in these units: feature i of row r at r * count + i. */
export function standardisedRows(sample: Sample, { columns: lanes, centre, spread }: Standardised): Float64Array {
  const count = lanes.length
  const rows = new Float64Array(sample.filled * count)
  for (let i = 0; i < count; i++) {
    const start = (lanes[i] as number) * sample.size
    for (let r = 0; r < sample.filled; r++)
      rows[r * count + i] = standardise(sample.values[start + r] as number, centre[i] as number, spread[i] as number)
  }
  return rows
}

/** One row in these units. @param start where the row's features begin in `tile` @param target one entry per lane, written */
export function standardiseRow(
  { columns: lanes, centre, spread }: Standardised,
  tile: Float64Array,
  start: number,
  target: Float64Array,
): void {
  for (let i = 0; i < lanes.length; i++)
    target[i] = standardise(tile[start + (lanes[i] as number)] as number, centre[i] as number, spread[i] as number)
}

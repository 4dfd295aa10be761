/** Cells of JSON rows, by the name of their column: as numbers, times and entities. */
import { DeepWatchError } from '../errors.ts'
import type { Row } from '../json/index.ts'
import type { ReadWindow } from '../reader/index.ts'
import { parseTimestamp } from '../time/index.ts'
import { quote } from './telemetry.ts'

/** Reads one key of a row; undefined where the row has it not, also when every object has something of that name. */
export function cellReader(name: string): (row: Row) => unknown {
  return name in Object.prototype ? (row) => (Object.hasOwn(row, name) ? row[name] : undefined) : (row) => row[name]
}

/** Number or 0/1 of one key of the row at a position; NaN for null, absent and everything else. */
export function numberReader(rows: readonly Row[], name: string): (position: number) => number {
  const read = cellReader(name)
  return (position) => {
    const value = read(rows[position]!)
    return typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : Number.NaN
  }
}

export const timeOf = (value: unknown) => (typeof value === 'string' ? parseTimestamp(value) : null)

/** Epoch microseconds of each row; NaN for null and absent. Another value is `type_mismatch`. */
export function timesOf(rows: readonly Row[], name: string): Float64Array {
  const read = cellReader(name)
  return Float64Array.from(rows, (row, index) => {
    const value = read(row)
    if (value === undefined || value === null) return Number.NaN
    const time = timeOf(value)
    if (time !== null) return time
    const detail = `${quote(name)} is no RFC 3339 time in row ${index}.`
    throw new DeepWatchError('type_mismatch', detail, { facts: { column: name, firstRows: [index] } })
  })
}

function inside(time: number, { from, to, exclude }: ReadWindow): boolean {
  if (Number.isNaN(time) || (from !== null && time < from) || (to !== null && time >= to)) return false
  return !exclude.some((range) => (range.from === null || time >= range.from) && (range.to === null || time < range.to))
}

/** Positions of the rows in the window; of all rows where there is none, or no time. */
export function positionsIn(
  rows: readonly Row[],
  times: Float64Array | null,
  window: ReadWindow | undefined,
): Uint32Array {
  const all = new Uint32Array(rows.length).map((_, position) => position)
  return window && times ? all.filter((position) => inside(times[position]!, window)) : all
}

/** What tells the entity of a row at a position; null for none. */
export function entityReader(rows: readonly Row[], name: string | null): (position: number) => string | null {
  if (name === null) return () => null
  const read = cellReader(name)
  return (position) => {
    const value = read(rows[position]!) ?? null
    return typeof value === 'object' && value !== null ? JSON.stringify(value) : value === null ? null : String(value)
  }
}

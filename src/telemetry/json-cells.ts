/** Cells of JSON rows, by the name of their column: as numbers, times and entities. */
import { DeepWatchError } from '../errors.ts'
import { wordNumber } from '../formats/index.ts'
import type { Row } from '../json/index.ts'
import type { ReadWindow, SourceReading } from '../reader/index.ts'
import { epochUnitOf, judgeTimeTexts, parseTimestamp, timeReader } from '../time/index.ts'
import { epochReader, epochUnitFor, noTime, strictly, textFormatFor } from './times.ts'

/** Reads one key of a row; undefined where the row has it not, also when every object has something of that name. */
export function cellReader(name: string): (row: Row) => unknown {
  return name in Object.prototype ? (row) => (Object.hasOwn(row, name) ? row[name] : undefined) : (row) => row[name]
}

/** Words and numbers that the user says stand for a missing value. */
export class NullValues {
  readonly words: ReadonlySet<string>
  readonly #numbers: ReadonlySet<number>

  constructor({ nullValues = [] }: SourceReading) {
    this.words = new Set(nullValues)
    this.#numbers = new Set(nullValues.map(Number).filter((number) => !Number.isNaN(number)))
  }

  /** The number that a value is or stands for; NaN for null, absent and everything else. */
  numberOf(value: unknown): number {
    if (typeof value === 'number') return this.#numbers.has(value) ? Number.NaN : value
    if (typeof value === 'boolean') return Number(value)
    return typeof value === 'string' ? (wordNumber(value, this.words) ?? Number.NaN) : Number.NaN
  }

  /** Whether a value is null, absent, or stands for it. */
  isMissing(value: unknown): boolean {
    return (value ?? null) === null || (typeof value === 'string' && Number.isNaN(wordNumber(value, this.words)))
  }
}

/** Number or 0/1 of one key of the row at a position; NaN for null, absent and everything else. */
export function numberReader(rows: readonly Row[], name: string, nulls: NullValues): (position: number) => number {
  const read = cellReader(name)
  return (position) => nulls.numberOf(read(rows[position]!))
}

export const timeOf = (value: unknown) => (typeof value === 'string' ? parseTimestamp(value) : null)

/** How a column tells time; `timestampFormat` where its values decided the order of day and month. */
export interface TimeColumn {
  /** Epoch microseconds of a value that is not missing. Throws `type_mismatch`, `ambiguous_timestamp`. */
  readonly read: (value: unknown) => number
  readonly timestampFormat?: string
}

/** How a column of numbers or of texts tells time; null when it does not. Errors: those of `epochUnitFor` and `textFormatFor`. */
export function timeColumn(
  rows: readonly Row[],
  name: string,
  nulls: NullValues,
  reading: SourceReading,
): TimeColumn | null {
  const values = rows.map(cellReader(name)).filter((value) => !nulls.isMissing(value))
  const isText = values.every((value) => typeof value === 'string')
  const numbers = values.map(Number)
  const isEpoch =
    isText && reading.timestampFormat === undefined && numbers.every((value) => epochUnitOf(value) !== null)
  if (values.length === 0 || !(isText || values.every((value) => typeof value === 'number'))) return null
  if (!isText || isEpoch) {
    const range = numbers.reduce(([min, max], value) => [Math.min(min, value), Math.max(max, value)] as const, [
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
    ] as const)
    const unit = epochUnitFor(name, range, reading)
    if (unit === null) return null
    const read = epochReader(name, unit, reading)
    return { read: (value) => read(Number(value)) }
  }
  const found = reading.timestampFormat
    ? { format: reading.timestampFormat, decided: false }
    : textFormatFor(name, judgeTimeTexts(values as string[]), reading)
  if (found === null) return null
  const read = strictly(name, timeReader(found.format)!, found.format)
  return { read: (value) => read(String(value)), ...(found.decided && { timestampFormat: found.format }) }
}

/**
 * Epoch microseconds of each row; NaN for null and absent. Errors: `type_mismatch` for another value, `timestamp_out_of_range`.
 * @param time how the column tells time; without it by RFC 3339
 */
export function timesOf(
  rows: readonly Row[],
  name: string,
  nulls: NullValues,
  time: TimeColumn | undefined,
): Float64Array {
  const cell = cellReader(name)
  return Float64Array.from(rows, (row, index) => {
    const value = cell(row)
    if (nulls.isMissing(value)) return Number.NaN
    const micros = time === undefined ? timeOf(value) : time.read(value)
    if (micros === null) throw noTime(name, String(value), undefined, index)
    if (Math.abs(micros) <= Number.MAX_SAFE_INTEGER) return micros
    throw new DeepWatchError('timestamp_out_of_range', 'A timestamp lies outside the range that can be used.')
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

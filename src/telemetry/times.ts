/** Which column tells the time, and how, where its values are numbers or texts of some form. One rule for every format. */
import { DeepWatchError } from '../errors.ts'
import type { Column, SourceReading } from '../reader/index.ts'
import {
  type EpochUnit,
  epochMicros,
  epochRange,
  epochUnitOf,
  epochUnits,
  isTimeName,
  type TextVerdict,
  type TimeReader,
} from '../time/index.ts'
import { quote } from './quote.ts'

/**
 * The columns whose values are looked at as times: the one named as timestamp; without one, and without a column that is a time already,
 * those that are called like one and are no feature. None where the reading has the time null.
 */
export function likelyTimes(columns: readonly Column[], reading: SourceReading): string[] {
  const { timestamp, features = [] } = reading
  if (timestamp !== undefined) return timestamp === null ? [] : [timestamp]
  if (columns.some(({ kind, partition }) => kind === 'timestamp' && !partition)) return []
  return columns.map(({ name }) => name).filter((name) => isTimeName(name) && !features.includes(name))
}

/**
 * The unit of a column of numbers since 1970: as given, else by their size; null for numbers that are no times in a column that nobody
 * named. Throws `ambiguous_timestamp` for numbers of several units, and for a named column of other numbers.
 */
export function epochUnitFor(
  name: string,
  [min, max]: readonly [number, number],
  reading: SourceReading,
): EpochUnit | null {
  if (reading.timestampUnit !== undefined) return reading.timestampUnit
  const unit = epochUnitOf(min)
  if (unit !== epochUnitOf(max)) throw severalUnits(name)
  if (unit !== null || name !== reading.timestamp) return unit
  const units = Object.keys(epochUnits).join(', ')
  const detail = `${quote(name)} holds numbers such as ${min}, which are no times since 1970 in any unit; give timestampUnit (${units}), or name another column as timestamp.`
  throw new DeepWatchError('ambiguous_timestamp', detail, { facts: { columns: [name] } })
}

/** Reads numbers as epoch microseconds. Told by size, a number of another unit is refused with `ambiguous_timestamp`. */
export function epochReader(name: string, unit: EpochUnit, reading: SourceReading): (value: number) => number {
  const [from, to] = epochRange(unit)
  const bySize = reading.timestampUnit === undefined
  return (value) => {
    if (bySize && !(value >= from && value < to)) throw severalUnits(name)
    return epochMicros(value, unit)
  }
}

export function severalUnits(name?: string): DeepWatchError {
  const column = name === undefined ? 'The timestamp column' : quote(name)
  const detail = `${column} holds times in several units, or numbers that are no times since 1970. Bring them to one unit, give timestampUnit, or name the features if it is a metric.`
  return new DeepWatchError('ambiguous_timestamp', detail, { facts: name === undefined ? {} : { columns: [name] } })
}

/** The format of a column of text and whether its values alone decided it. */
export interface TextFormat {
  readonly format: string
  readonly decided: boolean
}

/**
 * The format of a column by what its texts are; null for texts that are no times in a column that nobody named. Throws
 * `ambiguous_timestamp` for dates whose order is open, `type_mismatch` for a named column of other texts.
 */
export function textFormatFor(name: string, verdict: TextVerdict, reading: SourceReading): TextFormat | null {
  if (verdict.kind === 'times') return { format: verdict.order, decided: verdict.decided }
  if (verdict.kind === 'other') {
    if (name === reading.timestamp) throw noTime(name, verdict.text)
    return null
  }
  const [asDay, asMonth] = verdict.readings
  const detail = `${quote(name)}: ${quote(verdict.text)} may be ${asDay} or ${asMonth}; set timestampFormat to day-first or month-first.`
  throw new DeepWatchError('ambiguous_timestamp', detail, { facts: { columns: [name] } })
}

/** The refusal of a text that is no time: `type_mismatch`. */
export function noTime(name: string, text: string, format?: string, row?: number): DeepWatchError {
  const value = quote(text.length > 40 ? `${text.slice(0, 40)}…` : text)
  const where = row === undefined ? '' : ` in row ${row}`
  const detail = format?.includes('%')
    ? `${quote(name)}: ${value}${where} is no time of the format ${quote(format)}.`
    : `${quote(name)}: ${value}${where} is no time like the others. Known are ISO 8601, RFC 2822, YYYY/MM/DD, dates by day and month, and numbers since 1970; set timestampFormat for another form.`
  const facts = { column: name, value, ...(row !== undefined && { firstRows: [row] }) }
  return new DeepWatchError('type_mismatch', detail, { facts })
}

/** A reader of a format that throws `noTime` for a text that is none. */
export const strictly =
  (name: string, read: TimeReader, format: string) =>
  (text: string): number => {
    const time = read(text)
    if (time === null) throw noTime(name, text, format)
    return time
  }

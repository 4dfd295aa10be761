import { missingWords } from '../../../src/formats/index.ts'
import type { ColumnKind } from '../../../src/reader/index.ts'
import { isOneOf, quoteText } from '../database/index.ts'

/** What cells of CSV are, in SQL over a column of text. */

/** A date, or a date and a time, with or without a zone, as the database reads it. */
const TIME = String.raw`\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?( ?[Zz]|[+-]\d{2}(:?\d{2})?)?`
/** An id is no number: its zeros in front tell it from another. */
const ZERO_IN_FRONT = String.raw`\s*[+-]?0\d+\s*`
const DECIMAL_COMMA = String.raw`\s*[+-]?\d+,\d+\s*`
/** Digits of which a double may hold other ones. */
const MANY_DIGITS = String.raw`\s*[+-]?\d{16,38}\s*`
/** A number that is JSON as it stands. */
const JSON_NUMBER = String.raw`-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?`

/** How the cells of a source are read. `nullValues` are words for a missing value beside the usual ones. */
export function csvCells(nullValues: readonly string[]) {
  const isMissing = (raw: string) => {
    const usual = isOneOf(`lower(trim(${raw}))`, missingWords.map(quoteText))
    return nullValues.length === 0 ? usual : `(${usual} or ${isOneOf(`trim(${raw})`, nullValues.map(quoteText))})`
  }
  /** Null for null and missing words, else what `of` makes of the text. */
  const unlessMissing = (raw: string, of: string) => `case when ${isMissing(raw)} then null else ${of} end`
  const asNumber = (raw: string) => `try_cast(${raw} as double)`
  const isTime = (raw: string) =>
    `regexp_full_match(${raw}, ${quoteText(TIME)}) and try_cast(${raw} as timestamptz) is not null`
  const isBoolean = (raw: string) => `lower(trim(${raw})) in ('true', 'false')`

  return {
    /** Counts over the cells of a column, in the order of `cellCounts`. */
    counts: (raw: string): string[] =>
      [
        'true',
        `${asNumber(raw)} is not null`,
        isBoolean(raw),
        isTime(raw),
        `regexp_full_match(${raw}, ${quoteText(ZERO_IN_FRONT)})`,
        `regexp_full_match(${raw}, ${quoteText(DECIMAL_COMMA)})`,
        `regexp_full_match(${raw}, ${quoteText(MANY_DIGITS)}) and try_cast(${raw} as hugeint) <> try_cast(${asNumber(raw)} as hugeint)`,
      ].map(
        (condition) => `count(*) filter (where ${raw} is not null and not ${isMissing(raw)} and ${condition})::double`,
      ),

    /** The value of a cell as this kind; another text is a conversion error of the database. */
    value(raw: string, kind: ColumnKind): string {
      if (kind === 'text' || kind === 'other') return raw
      if (kind === 'boolean') return unlessMissing(raw, `cast(${raw} as boolean)`)
      if (kind === 'timestamp') return unlessMissing(raw, `cast(${raw} as timestamptz)`)
      // Most cells are numbers: words are looked for in the others alone. A word of the user may be a number.
      const number = `case when ${asNumber(raw)} is not null then ${asNumber(raw)} else ${unlessMissing(raw, `cast(${raw} as double)`)} end`
      return nullValues.length === 0 ? number : unlessMissing(raw, number)
    },

    /** Whether a cell cannot be read as this kind. */
    isMisfit(raw: string, kind: ColumnKind): string {
      const types = { number: 'double', boolean: 'boolean', timestamp: 'timestamptz', text: null, other: null }
      const type = types[kind]
      if (type === null) return 'false'
      return `${raw} is not null and not ${isMissing(raw)} and try_cast(${raw} as ${type}) is null`
    },

    /** A number as JSON text with all of its digits; null for what is missing or infinite. */
    echo(raw: string, value: string): string {
      const isPlain = `regexp_full_match(${raw}, ${quoteText(JSON_NUMBER)}) and ${value} is not null`
      return `case when ${isPlain} then ${raw} when isfinite(${value}) then to_json(${value})::varchar end`
    },
  }
}

/** What the cells of a column are, in the order in which `counts` counts them; missing ones are not counted. */
export const cellCounts = [
  'all',
  'numbers',
  'booleans',
  'times',
  'zerosInFront',
  'decimalCommas',
  /** Whole numbers whose double is another number. */
  'rounded',
] as const
export type CellCounts = Readonly<Record<(typeof cellCounts)[number], number>>

/** The kind of a column by its cells; null when it has none. A number with zeros in front is text: an id. */
export function kindOfCells({ all, numbers, booleans, times, zerosInFront }: CellCounts): ColumnKind | null {
  if (all === 0) return null
  if (numbers === all) return zerosInFront > 0 ? 'text' : 'number'
  return booleans === all ? 'boolean' : times === all ? 'timestamp' : 'text'
}

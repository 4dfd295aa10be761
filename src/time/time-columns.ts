/** What the values of a column say about how it tells time. One rule for every format. */

import { type DateOrder, readTimeText } from './time-texts.ts'
import { formatTimestamp } from './timestamps.ts'

/** Units of an epoch time, with the microseconds of one. */
export const epochUnits = { s: 1e6, ms: 1e3, us: 1, ns: 1e-3 } as const
export type EpochUnit = keyof typeof epochUnits

/** The smallest number that is taken for a time in each unit: 1973. Each unit ends where the next begins, in 5138. */
const smallest: readonly (readonly [EpochUnit, number])[] = [
  ['ns', 1e17],
  ['us', 1e14],
  ['ms', 1e11],
  ['s', 1e8],
]

/** The unit of an epoch time by its size; null for a number that is none. */
export function epochUnitOf(value: number): EpochUnit | null {
  if (!(value < 1e20)) return null
  return smallest.find(([, from]) => value >= from)?.[0] ?? null
}

/** The numbers that `epochUnitOf` takes for times of this unit: from the first up to the second. */
export function epochRange(unit: EpochUnit): readonly [number, number] {
  const from = smallest.find(([name]) => name === unit)![1]
  return [from, from * 1e3]
}

/** Microseconds since 1970 of an epoch time, rounded down. */
export const epochMicros = (value: number, unit: EpochUnit) =>
  unit === 's' ? Math.round(value * 1e6) : Math.floor(value * epochUnits[unit])

const timeName =
  /^[@_]?(?:(?:event|log|unix|epoch|scrape)[ _-]?)?(?:time|timestamp|ts|date[ _-]?time|date|epoch)(?:[ _-]?(?:s|sec|secs|seconds|ms|msec|millis|us|usec|micros|ns|nsec|nanos|utc|unix))?$/i

/** Whether a column is called as people call times: `timestamp`, `ts`, `@timestamp`, `event_time`, `epoch_ms`. */
export const isTimeName = (name: string) => timeName.test(name)

/** What the texts of a column are together. */
export type TextVerdict =
  | {
      readonly kind: 'times'
      readonly order: DateOrder /** Only this order reads them all. */
      readonly decided: boolean
    }
  /** Every text can be read in both orders, and they differ. */
  | { readonly kind: 'ambiguous'; readonly text: string; readonly readings: readonly [string, string] }
  | { readonly kind: 'other'; readonly text: string }

/** Judges texts as times; there is at least one. */
export function judgeTimeTexts(texts: Iterable<string>): TextVerdict {
  let [dayFirst, monthFirst] = [true, true]
  let differing: readonly [text: string, asDay: number, asMonth: number] | null = null
  for (const text of texts) {
    const asDay = readTimeText(text, 'day-first')
    const asMonth = readTimeText(text, 'month-first')
    dayFirst &&= asDay !== null
    monthFirst &&= asMonth !== null
    if (!dayFirst && !monthFirst) return { kind: 'other', text }
    if (asDay !== null && asMonth !== null && asDay !== asMonth) differing ??= [text, asDay, asMonth]
  }
  if (dayFirst !== monthFirst) return { kind: 'times', order: dayFirst ? 'day-first' : 'month-first', decided: true }
  if (differing === null) return { kind: 'times', order: 'day-first', decided: false }
  const [text, asDay, asMonth] = differing
  return { kind: 'ambiguous', text, readings: [formatTimestamp(asDay), formatTimestamp(asMonth)] }
}

/** Times as people write them: ISO 8601 in its everyday forms, RFC 2822, `YYYY/MM/DD`, and dates by day and month. */

/** Which of two numbers of a date is the day, where the text alone does not say. */
export const dateOrders = ['day-first', 'month-first'] as const
export type DateOrder = (typeof dateOrders)[number]

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const clock = String.raw`(?:(?:[Tt]|,? +)(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)? *([AaPp][Mm])?)?`
const zone = String.raw`(?: *([Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?))?`
const yearFirst = new RegExp(String.raw`^(\d{4})([-/.])(\d{1,2})\2(\d{1,2})${clock}${zone}$`)
const yearLast = new RegExp(String.raw`^(\d{1,2})([-/.])(\d{1,2})\2(\d{4})${clock}${zone}$`)
const monthNamed = new RegExp(String.raw`^(?:[A-Za-z]{3,9},? +)?(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4})${clock}${zone}$`)

/**
 * Microseconds since 1970 of a text, or null when it is no time. Without a zone it is UTC; without a clock it is midnight; digits past the
 * microsecond are cut. `order` decides dates such as 02/03/2026 alone.
 */
export function readTimeText(text: string, order: DateOrder): number | null {
  const trimmed = text.trim()
  const iso = yearFirst.exec(trimmed)
  if (iso) return instantOf(Number(iso[1]), Number(iso[3]), Number(iso[4]), iso.slice(5))
  const dated = yearLast.exec(trimmed)
  if (dated) {
    const [day, month] = order === 'day-first' ? [dated[1], dated[3]] : [dated[3], dated[1]]
    return instantOf(Number(dated[4]), Number(month), Number(day), dated.slice(5))
  }
  const named = monthNamed.exec(trimmed)
  if (!named) return null
  return instantOf(Number(named[3]), months.indexOf(named[2]!.toLowerCase()) + 1, Number(named[1]), named.slice(4))
}

/** @param rest hour, minute, second, fraction, AM or PM, and zone as matched; absent parts are undefined */
function instantOf(year: number, month: number, day: number, rest: readonly (string | undefined)[]): number | null {
  const [hour = '0', minute = '0', second = '0', fraction, half, offset] = rest
  const hours = half === undefined ? Number(hour) : clockHour(Number(hour), half)
  const shift = offsetSeconds(offset)
  if (hours === null || shift === null) return null
  return microsecondsAt(
    { year, month, day, hour: hours, minute: Number(minute), second: Number(second), fraction },
    shift,
  )
}

/** The hour of the day of a twelve-hour clock; null for what stands on none. */
export function clockHour(hour: number, half: string): number | null {
  if (hour < 1 || hour > 12) return null
  return (hour % 12) + (half.toLowerCase() === 'pm' ? 12 : 0)
}

/** Seconds that a zone such as `+02:00`, `-0430`, `+01`, `Z` or `GMT` is ahead of UTC; 0 for none, null beyond a day. */
export function offsetSeconds(zone: string | undefined): number | null {
  const [, sign, hours = '0', minutes = '0'] = /^([+-])(\d{2}):?(\d{2})?$/.exec(zone ?? '') ?? []
  if (Number(hours) > 23 || Number(minutes) > 59) return null
  return (Number(hours) * 3600 + Number(minutes) * 60) * (sign === '-' ? -1 : 1)
}

/** The parts of a date and a time of day. */
export interface TimeParts {
  readonly year: number
  readonly month: number
  readonly day: number
  readonly hour: number
  readonly minute: number
  readonly second: number
  /** Digits behind the second. */
  readonly fraction?: string | undefined
}

/**
 * Microseconds since 1970 of a date and a time of day that is `shift` seconds ahead of UTC; null for one that does not exist. A leap
 * second (60) is the first second of the next minute.
 */
export function microsecondsAt(parts: TimeParts, shift: number): number | null {
  const { year, month, day, hour, minute, second, fraction = '' } = parts
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return null
  // setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(year, month - 1, day)
  if (day < 1 || date.getUTCDate() !== day) return null
  const seconds = date.getTime() / 1000 + hour * 3600 + minute * 60 + second - shift
  return seconds * 1e6 + Number(fraction.slice(0, 6).padEnd(6, '0'))
}

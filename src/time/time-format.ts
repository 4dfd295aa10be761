/** Times in a format that the user gives, in the directives of strptime. */
import { clockHour, type DateOrder, dateOrders, microsecondsAt, offsetSeconds, readTimeText } from './time-texts.ts'

const monthNames = [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
]

/** What each directive matches. */
const directives: Readonly<Record<string, string>> = {
  Y: String.raw`(?<Y>\d{4})`,
  y: String.raw`(?<y>\d{2})`,
  m: String.raw`(?<m>\d{1,2})`,
  d: String.raw`(?<d>\d{1,2})`,
  b: '(?<b>[A-Za-z]{3})',
  B: '(?<B>[A-Za-z]{3,9})',
  a: '[A-Za-z]{3}',
  A: '[A-Za-z]{6,9}',
  H: String.raw`(?<H>\d{1,2})`,
  I: String.raw`(?<I>\d{1,2})`,
  p: '(?<p>[AaPp][Mm])',
  M: String.raw`(?<M>\d{1,2})`,
  S: String.raw`(?<S>\d{1,2})`,
  f: String.raw`(?<f>\d{1,9})`,
  z: String.raw`(?<z>[Zz]|[+-]\d{2}:?\d{2})`,
  '%': '%',
}

/** Reads a text as epoch microseconds; null when it is not of the format. */
export type TimeReader = (text: string) => number | null

/**
 * The reader of a format: `day-first` or `month-first` for the forms of `readTimeText`, else a pattern such as `%d.%m.%Y %H:%M`, in UTC
 * where it has no `%z`. Null for a pattern that names no year, month and day, or a directive that is none or comes twice.
 */
export function timeReader(format: string): TimeReader | null {
  if ((dateOrders as readonly string[]).includes(format)) return (text) => readTimeText(text, format as DateOrder)
  const pattern = patternOf(format)
  if (pattern === null) return null
  return (text) => {
    const parts = pattern.exec(text.trim())?.groups
    return parts === undefined ? null : instantOf(parts)
  }
}

function patternOf(format: string): RegExp | null {
  const seen = new Set<string>()
  let source = ''
  for (const [, directive, other = ''] of format.matchAll(/%(.?)|([^%]+)/gs)) {
    if (directive === undefined) {
      source += other.replaceAll(/[.*+?^${}()|[\]\\/-]/g, String.raw`\$&`).replaceAll(/\s+/g, String.raw`\s+`)
      continue
    }
    const matched = directives[directive]
    if (matched === undefined || (directive !== '%' && seen.has(directive))) return null
    seen.add(directive)
    source += matched
  }
  const has = (...any: string[]) => any.some((directive) => seen.has(directive))
  const isDate = has('Y', 'y') && has('m', 'b', 'B') && has('d')
  return isDate && has('I') === has('p') ? new RegExp(`^${source}$`) : null
}

function instantOf(parts: Readonly<Record<string, string | undefined>>): number | null {
  const { Y, y, m, b, B, d, H = '0', I, p, M = '0', S = '0', f, z } = parts
  const named = (B ?? b)?.toLowerCase()
  const month = named === undefined ? Number(m) : 1 + monthNames.findIndex((name) => name.startsWith(named))
  const short = Number(y)
  const hour = I === undefined ? Number(H) : clockHour(Number(I), p!)
  const shift = offsetSeconds(z)
  if (hour === null || shift === null) return null
  const year = Y === undefined ? short + (short < 69 ? 2000 : 1900) : Number(Y)
  return microsecondsAt({ year, month, day: Number(d), hour, minute: Number(M), second: Number(S), fraction: f }, shift)
}

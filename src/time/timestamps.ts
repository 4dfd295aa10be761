/** RFC 3339 times and epoch microseconds. Imports nothing: the reading process starts with it. */

const timestampPattern = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})?$/

/**
 * Microseconds since 1970 of an RFC 3339 time, or null when the text is none. A time without an offset
 * is UTC. A leap second (:60) is the first second of the next minute. Digits past the microsecond are cut.
 */
export function parseTimestamp(text: string): number | null {
  const [, year, month, day, hour, minute, second, fraction, offset] = timestampPattern.exec(text) ?? []
  if (year === undefined) return null
  const [y, mo, d, h, mi, s] = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  if (mo < 1 || mo > 12 || h > 23 || mi > 59 || s > 60) return null
  // setUTCFullYear, because Date.UTC takes the years 0 to 99 for 1900 to 1999.
  const date = new Date(0)
  date.setUTCFullYear(y, mo - 1, d)
  if (d < 1 || date.getUTCDate() !== d) return null
  const [hours, minutes] =
    offset === undefined || offset.length === 1 ? [0, 0] : [Number(offset.slice(1, 3)), Number(offset.slice(4))]
  if (hours > 23 || minutes > 59) return null
  const shift = (hours * 3600 + minutes * 60) * (offset?.startsWith('-') ? -1 : 1)
  const seconds = date.getTime() / 1000 + h * 3600 + mi * 60 + s - shift
  return seconds * 1e6 + Number((fraction ?? '').slice(0, 6).padEnd(6, '0'))
}

/** An RFC 3339 time in UTC for microseconds since 1970; the fraction only where there is one. */
export function formatTimestamp(microseconds: number): string {
  const whole = Math.floor(microseconds / 1e6)
  const fraction = microseconds - whole * 1e6
  const base = new Date(whole * 1000).toISOString().replace('.000Z', '')
  return fraction === 0 ? `${base}Z` : `${base}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}Z`
}

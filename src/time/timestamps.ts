/** RFC 3339 times and epoch microseconds. */
import { microsecondsAt, offsetSeconds } from './time-texts.ts'

const timestampPattern = /^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})?$/

/**
 * Microseconds since 1970 of an RFC 3339 time, or null when the text is none. A time without an offset
 * is UTC. A leap second (:60) is the first second of the next minute. Digits past the microsecond are cut.
 */
export function parseTimestamp(text: string): number | null {
  const match = timestampPattern.exec(text)
  if (match === null) return null
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ]
  const shift = offsetSeconds(match[8])
  return shift === null ? null : microsecondsAt({ year, month, day, hour, minute, second, fraction: match[7] }, shift)
}

/** An RFC 3339 time in UTC for microseconds since 1970; the fraction only where there is one. */
export function formatTimestamp(microseconds: number): string {
  const whole = Math.floor(microseconds / 1e6)
  const fraction = microseconds - whole * 1e6
  const base = new Date(whole * 1000).toISOString().replace('.000Z', '')
  return fraction === 0 ? `${base}Z` : `${base}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}Z`
}

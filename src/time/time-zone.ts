/**
 * Time zones as plain data. Node's zone table and the database's differ for some zones, so a zone's offsets are taken once,
 * from this run-time, stored in the model, and used for every row by every door.
 */
import type { ZoneTransitions } from '../kernels/history/index.ts'

const FIRST = 0
/** 2100-01-01. Later instants use the last offset. */
const LAST = 4_102_444_800
const DAY = 86_400
/** Looks at the offset are this far apart. Two changes were seven days apart in Recife in October 2000, and will be in Gaza. */
const STEP = 6 * DAY
/** Changes fall on the quarter of an hour but for a few before 1973. */
const QUARTER = 900

/** The zone of whoever names none is there at once: Intl takes a tenth of a second for its first words. */
const cache = new Map<string, ZoneTransitions>([['UTC', { utc: [FIRST], offset: [0] }]])
/** A zone's table is about 5 KB; names come from outside, but only valid ones get here. */
const CACHED_ZONES = 1_000

/** The release of the run-time's zone table, such as `2026c`. */
export const zoneTable: string = process.versions.tz ?? 'unknown'

/** Whether a zone table is older than a year at this time (epoch milliseconds). Releases come about every two months, from `a` in January on. */
export function isOldZoneTable(release: string, now: number): boolean {
  const [, year, letter] = /^(\d{4})([a-z])$/.exec(release) ?? []
  if (year === undefined || letter === undefined) return false
  return now - Date.UTC(Number(year), 2 * (letter.charCodeAt(0) - 97), 1) > 366 * 86_400_000
}

/** Whether `name` is an IANA zone this run-time knows (`Europe/Prague`, `UTC`), not a bare offset like `+02:00`. */
export function isTimeZone(name: string): boolean {
  if (cache.has(name)) return true
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false
  try {
    new Intl.DateTimeFormat('en-US', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/**
 * Every change of a zone's UTC offset from 1970 to 2100, exact to the second; the first entry is 1970-01-01. Earlier
 * instants use the offset of that day. About 50 ms for a zone with daylight saving, cached afterwards.
 * Throws a RangeError for an unknown zone: ask `isTimeZone` first.
 */
export function zoneTransitions(zone: string): ZoneTransitions {
  const known = cache.get(zone)
  if (known !== undefined) return known
  const format = new Intl.DateTimeFormat('en-US', { timeZone: zone, timeZoneName: 'longOffset' })
  const offsetOf = (second: number): number => parseOffset(format.format(second * 1000))
  const utc = [FIRST]
  const offset = [offsetOf(FIRST)]
  let before = offset[0] as number
  let end: number
  for (let at = FIRST; at < LAST; at = end) {
    end = Math.min(at + STEP, LAST)
    const after = offsetOf(end)
    if (after === before) continue
    utc.push(changeBetween(at, end, after, offsetOf))
    offset.push(after)
    before = after
  }
  const transitions = { utc, offset }
  if (cache.size >= CACHED_ZONES) cache.clear()
  cache.set(zone, transitions)
  return transitions
}

/** The first second in (low, high] at which the offset is `after`: by quarters of an hour, then within one if need be. */
function changeBetween(low: number, high: number, after: number, offsetOf: (second: number) => number): number {
  const quarter = bisect(low / QUARTER, high / QUARTER, (at) => offsetOf(at * QUARTER) === after) * QUARTER
  return offsetOf(quarter - 1) === after ? bisect(quarter - QUARTER, quarter, (at) => offsetOf(at) === after) : quarter
}

/** The first whole number in (low, high] for which `isAfter` holds, when it does from there on. */
function bisect(low: number, high: number, isAfter: (at: number) => boolean): number {
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2)
    if (isAfter(middle)) high = middle
    else low = middle
  }
  return high
}

/** Reads the end of `12/31/1969, GMT-00:44:30`; plain `GMT` is 0. */
function parseOffset(text: string): number {
  const match = /GMT(?:([+-])(\d{2}):(\d{2})(?::(\d{2}))?)?$/.exec(text)
  if (match === null) throw new RangeError('the run-time names no UTC offset')
  const seconds = Number(match[2] ?? 0) * 3600 + Number(match[3] ?? 0) * 60 + Number(match[4] ?? 0)
  return match[1] === '-' ? -seconds : seconds
}

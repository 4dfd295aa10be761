/** Local time as a table of the offsets that are in force from an instant on: `utc` in epoch seconds, ascending. */
import type { ZoneTransitions } from '../kernels/history/index.ts'

const hour = 3600e6

/** What local time is ahead of UTC at an instant; both in microseconds. */
export function offsetAt({ utc, offset }: ZoneTransitions, micros: number): number {
  let index = 0
  while (index + 1 < utc.length && utc[index + 1]! * 1e6 <= micros) index++
  return offset[index]! * 1e6
}

/** The local hour of the week of an instant in epoch microseconds: 0 to 167, from Monday 0:00. 1970-01-01 was a Thursday. */
export function hourOfWeek(micros: number, zone: ZoneTransitions): number {
  const since = Math.floor((micros + offsetAt(zone, micros)) / hour) + 72
  return since - 168 * Math.floor(since / 168)
}

/** The offsets in force from one time to another. */
export function transitionsWithin({ utc, offset }: ZoneTransitions, from: number, to: number): ZoneTransitions {
  let first = 0
  while (first + 1 < utc.length && utc[first + 1]! * 1e6 <= from) first++
  let end = first + 1
  while (end < utc.length && utc[end]! * 1e6 <= to) end++
  return { utc: Array.from(utc).slice(first, end), offset: Array.from(offset).slice(first, end) }
}

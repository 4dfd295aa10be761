/** Local hours of the week, counted from Monday 0:00. */
import type { ZoneTransitions } from '../kernels/history/index.ts'

const hour = 3600e6

/** The local hour of the week of an instant in epoch microseconds: 0 to 167. 1970-01-01 was a Thursday. */
export function hourOfWeek(micros: number, { utc, offset }: ZoneTransitions): number {
  let index = 0
  while (index + 1 < utc.length && utc[index + 1]! * 1e6 <= micros) index++
  const since = Math.floor((micros + offset[index]! * 1e6) / hour) + 72
  return since - 168 * Math.floor(since / 168)
}

import { circleOf, stepOf, type TimeContextColumn, type ZoneTransitions } from '../kernels/history/index.ts'

const DAY_SECONDS = 86_400
const MICROS = 1_000_000
/** 1970-01-01 was a Thursday, and Monday is 0. */
const EPOCH_DAY_OF_WEEK = 3
/** Beyond this a number of microseconds is not exact any more. */
const EXACT = Number.MAX_SAFE_INTEGER

/** Computes the time context of rows in memory for one zone, as `sql/features.sql` does for files. */
export interface TimeContext {
  /** The value for an instant in epoch microseconds; NaN when it is NaN or beyond +-2^53. */
  value(part: TimeContextColumn, micros: number): number
}

/** A time context over the offsets of one zone. Keeps a cursor: instants in rising order cost no search. */
export function createTimeContext({ utc, offset }: ZoneTransitions): TimeContext {
  let cursor = 0

  function localSecond(micros: number): number {
    const second = Math.floor(micros / MICROS)
    const isHere = second >= utc[cursor]! && (cursor + 1 === utc.length || second < utc[cursor + 1]!)
    if (!isHere)
      cursor = Math.max(
        0,
        utc.findLastIndex((start) => start <= second),
      )
    return second + offset[cursor]!
  }

  return {
    value(part, micros) {
      if (!(Math.abs(micros) <= EXACT)) return Number.NaN
      const local = localSecond(micros)
      const day = Math.floor(local / DAY_SECONDS)
      const since = day + EPOCH_DAY_OF_WEEK
      const step = stepOf(part) === 'secondOfDay' ? local - day * DAY_SECONDS : since - 7 * Math.floor(since / 7)
      return circleOf(part)[step]!
    },
  }
}

/**
 * The time context of an instant: where it lies in the local day and in the local week, each as a point on a circle,
 * so that midnight is next to 23:59 and Sunday next to Monday.
 *
 * One kernel for every door: the reading process fills lanes with it, the JSON path asks it value by value, so both
 * give the same double to the bit. The zone's offsets come as plain data stored in the model, never from the zone
 * tables of the run-time or the database, which differ from each other.
 */

/**
 * The UTC offsets of one time zone: from `utc[i]` (epoch seconds) on, local time is UTC + `offset[i]` seconds.
 * `utc` rises strictly and is as long as `offset`, at least 1; `offset[0]` also holds before `utc[0]`.
 */
export interface ZoneTransitions {
  readonly utc: readonly number[]
  readonly offset: readonly number[]
}

/**
 * `hour_*`: angle 2 pi s / 86400 with s the whole local second of the day (0 to 86399, wall clock).
 * `day_of_week_*`: angle 2 pi d / 7 with d = 0 for Monday to 6 for Sunday, local.
 */
export type TimeContextLane = 'hour_sin' | 'hour_cos' | 'day_of_week_sin' | 'day_of_week_cos'

/** The lanes in the order in which they enter a model. */
export const TIME_CONTEXT_LANES: readonly TimeContextLane[] = [
  'hour_sin',
  'hour_cos',
  'day_of_week_sin',
  'day_of_week_cos',
]

const DAY_SECONDS = 86_400
const MICROS = 1_000_000
/** 1970-01-01 was a Thursday, and Monday is 0. */
const EPOCH_DAY_OF_WEEK = 3
/** Beyond this a number of microseconds is not exact any more. */
const EXACT = Number.MAX_SAFE_INTEGER

/** Computes time-context values for one zone. Keeps a cursor: instants in rising order cost no search. */
export interface TimeContext {
  /** The value for an instant in epoch microseconds; NaN when it is NaN or beyond +-2^53. */
  value(lane: TimeContextLane, micros: number): number
  /** Writes the values for `micros[from .. from + rows)` to `out[at .. at + rows)`. */
  fill(lane: TimeContextLane, micros: Float64Array, from: number, rows: number, out: Float64Array, at: number): void
}

/** A time context over the offsets of one zone. */
export function createTimeContext(transitions: ZoneTransitions): TimeContext {
  const utc = Float64Array.from(transitions.utc)
  const offset = Float64Array.from(transitions.offset)
  let cursor = 0

  function localSecond(micros: number): number {
    const second = Math.floor(micros / MICROS)
    if (!(second >= (utc[cursor] as number) && (cursor + 1 === utc.length || second < (utc[cursor + 1] as number)))) {
      cursor = indexAt(utc, second)
    }
    return second + (offset[cursor] as number)
  }

  function valueOn(circle: Float64Array, micros: number): number {
    if (!(Math.abs(micros) <= EXACT)) return Number.NaN
    const local = localSecond(micros)
    const day = Math.floor(local / DAY_SECONDS)
    if (circle.length === DAY_SECONDS) return circle[local - day * DAY_SECONDS] as number
    const since = day + EPOCH_DAY_OF_WEEK
    return circle[since - 7 * Math.floor(since / 7)] as number
  }

  function value(lane: TimeContextLane, micros: number): number {
    return valueOn(circleOf(lane), micros)
  }

  function fill(
    lane: TimeContextLane,
    micros: Float64Array,
    from: number,
    rows: number,
    out: Float64Array,
    at: number,
  ): void {
    const circle = circleOf(lane)
    for (let row = 0; row < rows; row++) out[at + row] = valueOn(circle, micros[from + row] as number)
  }

  return { value, fill }
}

/** Offset of local time from UTC in seconds at an epoch second. */
export function offsetAt(transitions: ZoneTransitions, second: number): number {
  return transitions.offset[indexAt(transitions.utc, second)] as number
}

/** Index of the last transition that is not after `second`; 0 before the first. */
function indexAt(utc: ArrayLike<number>, second: number): number {
  let low = 0
  let high = utc.length
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((utc[middle] as number) <= second) low = middle
    else high = middle
  }
  return low
}

/** Every value a lane can take, by its step: looked up per row, computed once per process. */
const circles = new Map<TimeContextLane, Float64Array>()

function circleOf(lane: TimeContextLane): Float64Array {
  const known = circles.get(lane)
  if (known !== undefined) return known
  const period = lane.startsWith('hour') ? DAY_SECONDS : 7
  const wave = lane.endsWith('sin') ? Math.sin : Math.cos
  const circle = Float64Array.from({ length: period }, (_, step) => wave((2 * Math.PI * step) / period))
  circles.set(lane, circle)
  return circle
}

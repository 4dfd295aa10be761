/**
 * The time context of an instant: where it lies in the local day and in the local week, each as a point on a circle,
 * so that midnight is next to 23:59 and Sunday next to Monday. Local time is told by whoever knows the zone; here it is encoded, for
 * every door, so that all give the same double to the bit.
 */

/**
 * The UTC offsets of one time zone: from `utc[i]` (epoch seconds) on, local time is UTC + `offset[i]` seconds.
 * `utc` rises strictly and is as long as `offset`, at least 1; `offset[0]` also holds before `utc[0]`. Stored in the model, because the
 * zone tables of run-times and databases differ.
 */
export interface ZoneTransitions {
  readonly utc: readonly number[]
  readonly offset: readonly number[]
}

/** The parts of the time context in the order in which they enter a model. */
export const TIME_CONTEXT_COLUMNS = ['hour_sin', 'hour_cos', 'day_of_week_sin', 'day_of_week_cos'] as const

/**
 * `hour_*`: angle 2 pi s / 86400 with s the whole local second of the day (0 to 86399, wall clock).
 * `day_of_week_*`: angle 2 pi d / 7 with d = 0 for Monday to 6 for Sunday, local.
 */
export type TimeContextColumn = (typeof TIME_CONTEXT_COLUMNS)[number]

const DAY_SECONDS = 86_400
const WEEK_DAYS = 7

/** Which step of local time a part is made of. */
export function stepOf(part: TimeContextColumn): 'secondOfDay' | 'dayOfWeek' {
  return part === 'hour_sin' || part === 'hour_cos' ? 'secondOfDay' : 'dayOfWeek'
}

const circles = new Map<TimeContextColumn, Float64Array>()

/** Every value of a part by its step, see `stepOf`: made once, looked up per row. NaN is no step: `circle[NaN]` is undefined. */
export function circleOf(part: TimeContextColumn): Float64Array {
  const known = circles.get(part)
  if (known !== undefined) return known
  const period = stepOf(part) === 'secondOfDay' ? DAY_SECONDS : WEEK_DAYS
  const wave = part.endsWith('sin') ? Math.sin : Math.cos
  const circle = Float64Array.from({ length: period }, (_, step) => wave((2 * Math.PI * step) / period))
  circles.set(part, circle)
  return circle
}

/**
 * Placeholder of the table's shape; the kernel follows.
 *
 * The UTC offsets of one time zone as plain data, stored in the model: from `utc[i]` (epoch seconds) on,
 * local time is UTC + `offset[i]` seconds. `utc` rises; `offset[0]` also holds before `utc[0]`.
 */
export interface ZoneTransitions {
  readonly utc: readonly number[]
  readonly offset: readonly number[]
}

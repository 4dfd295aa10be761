/** What can be derived from the trailing rows of an entity, and how it is asked for. */
export const derives = [
  'lag',
  'diff',
  'rate',
  'rollingMean',
  'rollingStd',
  'rollingMin',
  'rollingMax',
  'zScore',
  'distance',
  'sameTimeYesterday',
] as const
export type Derive = (typeof derives)[number]

/** One derived value per row. */
export interface Derivation {
  /** Index of the base column. */
  readonly column: number
  readonly derive: Derive
  /** How far back: rows, or microseconds; exactly one of them. A day for `sameTimeYesterday`, which is a lag otherwise. */
  readonly rows: number | null
  readonly micros: number | null
  /** Two neighbouring rows further apart (microseconds) are a gap, before which nothing counts; null when there is none. */
  readonly maxGap: number | null
}

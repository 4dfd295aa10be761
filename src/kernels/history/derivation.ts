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

/** The rows as figures see them. Rows are counted from the first one that was taken; older ones are forgotten. */
export interface Rows {
  /** Number of the newest row. */
  readonly newest: number
  /** Number of the oldest row that is still there. */
  readonly oldest: number
  /** Epoch microseconds of a row. */
  time(row: number): number
  /** A base value of a row; NaN when it is not known. */
  value(column: number, row: number): number
}

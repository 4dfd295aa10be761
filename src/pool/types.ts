/** What goes to the threads and comes back when rows are scored. */
import type { Guards } from '../kernels/scores/index.ts'

/** A fitted model as threads need it. */
export interface ScoringModel {
  /** Names the payload and nothing else, for good: what a thread prepared is kept under it. */
  readonly key: string
  /** Id of the detector. */
  readonly detector: string
  readonly payload: SharedArrayBuffer
  /** Number of features; the first columns of each block. */
  readonly features: number
  /** With a model per entity how many there are; the column behind the features numbers the entity of a row. */
  readonly entities?: number | undefined
  /** Training median per feature, which stands in for values that are not finite; null = such rows are not scored. */
  readonly fill: Float64Array | null
  /** Raises rows with values that training did not see; a function of the key. */
  readonly guards?: Guards | null
}

export interface BlockScores {
  /** One per row of the block: in [0, 1], NaN where the row cannot be scored. The caller's own, until it releases them. */
  readonly scores: Float64Array
  /** One mark per row (`rowMarks`): 0 scored as is, 1 scored with filled values, 2 missing, 3 not finite. As the scores. */
  readonly flags: Uint8Array
  /** Seconds the threads spent on it, added up. */
  readonly seconds: number
  /** Gives the memory of scores and flags back for another block. Once; who keeps them does without. */
  release?(): void
}

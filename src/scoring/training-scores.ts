/** What a training hands to whoever scores or evaluates its telemetry next, so that it is not scored again. */
import type { ReportAggregate } from '../schemas/index.ts'
import type { Scratch } from '../sources/index.ts'
import type { Opened, RowFacts } from '../telemetry/index.ts'

/** Rows that follow each other in the source. `text` tells entities apart; it is not their name. */
export type HeldRows = Pick<RowFacts, 'rows' | 'labels' | 'times' | 'text'>

/** The scores of all rows of a training in source order, and their counts: its telemetry need not be scored again. */
export interface TrainingScoresKept {
  readonly opened: Opened
  readonly scratch: Scratch
  /** Null when they could not be counted. Rejects with the signal's reason alone. */
  readonly aggregate: Promise<ReportAggregate | null>
  /** The labelled rows, in source order; null when they were not held. */
  heldRows(): Iterable<HeldRows> | null
  /** Whoever got all of this ends it. Idempotent, never throws. */
  close(): Promise<void>
}

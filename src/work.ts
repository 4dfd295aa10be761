/** The request or command that work is done for, and its progress. Jobs and the command line listen. */

/** The steps that work goes through, in the words of `GET /jobs/{id}` and of the progress bar. */
export const stages = [
  'waiting',
  'opening',
  'sampling',
  'fitting',
  'scoring',
  'writing',
  'judging',
  'reporting',
] as const
export type Stage = (typeof stages)[number]

/** Told by a use case while it works; never throws, returns at once. */
export interface Progress {
  /** A stage begins. `rows` is how many rows it will go through, null when that is not known. */
  begin(stage: Stage, rows: number | null): void
  /** `rows` more rows of the stage are done. */
  advance(rows: number): void
}

/** The request or command that work is done for. */
export interface Work {
  /** Aborted when the result is no longer wanted; its reason is a `DeepWatchError`. */
  readonly signal: AbortSignal
  /** The reason of the signal once aborted: for short work, as making the signal costs more than scoring a row. */
  givenUp?(): unknown
  readonly progress?: Progress | undefined
  readonly log?: { info(facts: object, message: string): void } | undefined
}

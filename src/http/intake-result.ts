/** What a `POST` was taken in as. */
import type { Source } from '../sources/index.ts'

/** Checked settings and at most one upload, which is spooled and belongs to the caller, who disposes of it. */
export interface Intake<S> {
  readonly settings: S
  readonly upload: Source | null
  /** Bytes of the JSON body, rows and all: they stay in memory as long as the settings do. */
  readonly heldBytes: number
}

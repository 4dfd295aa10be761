/** What the writing process is told and tells; plain data only. */
import type { FleetSettings } from './generate/telemetry.ts'

export interface WriterStart {
  readonly fleet: FleetSettings
  /** Absolute path of the file to write; its folder is there. */
  readonly output: string
}

/** Rows made so far, then how it ended. */
export type WriterReport =
  | { readonly rows: number }
  | { readonly written: number }
  | { readonly failed: 'storage_full' | 'storage_error'; readonly cause: string }

/** The writing process: where it is, what it is told and tells; plain data only. */
import type { FleetSettings } from './generate/telemetry.ts'

/** The writing process. */
export const writerProgram = new URL('../workers/writer.js', import.meta.url)

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

/** The inner end of the drawing thread: one report after another. Never throws; what goes wrong comes back as text. */
import { parentPort } from 'node:worker_threads'
import type { ReportFacts } from '../src/report/facts.ts'
import { renderReport } from '../src/report/render.ts'
import type { ReportFormat } from '../src/schemas/report.ts'

export interface DrawTask {
  readonly facts: ReportFacts
  readonly format: ReportFormat
}

export type Drawn =
  | { readonly ok: true; readonly bytes: Uint8Array }
  /** For the log alone. */
  | { readonly ok: false; readonly cause: string }

parentPort?.on('message', ({ facts, format }: DrawTask) => {
  renderReport(facts, format).then(
    (bytes) => parentPort?.postMessage({ ok: true, bytes } satisfies Drawn),
    (error: unknown) => {
      const cause = error instanceof Error ? (error.stack ?? error.message) : String(error)
      parentPort?.postMessage({ ok: false, cause } satisfies Drawn)
    },
  )
})

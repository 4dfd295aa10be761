/** The inner end of the drawing thread. Never throws; what goes wrong comes back as text. */
import { parentPort } from 'node:worker_threads'
import type { ReportFacts } from '../src/report/facts.ts'
import { renderReport } from '../src/report/render.ts'
import type { ReportFormat } from '../src/schemas/report.ts'

export interface DrawTask {
  readonly facts: ReportFacts
  readonly format: ReportFormat
}

/** A task with the number that its answer carries. */
export type DrawMessage = DrawTask & { readonly id: number }

export type Drawn =
  | { readonly id: number; readonly ok: true; readonly bytes: Uint8Array }
  /** The cause is for the log alone. */
  | { readonly id: number; readonly ok: false; readonly cause: string }

const answer = (drawn: Drawn) => parentPort?.postMessage(drawn)

parentPort?.on('message', ({ id, facts, format }: DrawMessage) => {
  renderReport(facts, format).then(
    (bytes) => answer({ id, ok: true, bytes }),
    (error: unknown) => {
      answer({ id, ok: false, cause: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    },
  )
})

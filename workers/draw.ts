/** The inner end of the drawing thread: one exported function per kind of task. Never throws; what goes wrong comes back as text. */
import { renderReport } from '../src/reporting/page/index.ts'
import type { Drawn, DrawTask } from './messages.ts'

/** Does nothing: the thread that was started for it has loaded what drawing needs. */
export function warm(): void {}

export async function draw({ facts, format }: DrawTask): Promise<Drawn> {
  try {
    return { ok: true, bytes: await renderReport(facts, format) }
  } catch (error) {
    return { ok: false, cause: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  }
}

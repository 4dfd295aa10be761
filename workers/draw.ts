/** The inner end of the drawing thread. Never throws; what goes wrong comes back as text. */
import { parentPort } from 'node:worker_threads'
import { renderReport } from '../src/reporting/page/index.ts'
import type { DrawMessage, Drawn } from './messages.ts'

const answer = (drawn: Drawn) => parentPort?.postMessage(drawn)

parentPort?.on('message', ({ id, facts, format }: DrawMessage) => {
  renderReport(facts, format).then(
    (bytes) => answer({ id, ok: true, bytes }),
    (error: unknown) => {
      answer({ id, ok: false, cause: error instanceof Error ? (error.stack ?? error.message) : String(error) })
    },
  )
})

/** Our end of the writing process: starts it, follows it, puts its file in place. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import type { WriterReport, WriterStart } from '../../workers/messages.ts'
import { DeepWatchError } from '../errors.ts'
import type { FleetSettings } from '../generate/index.ts'
import { programs } from '../places.ts'
import type { Work } from '../work.ts'
import { wholeFile } from './output.ts'

/** Writes a run as Parquet and gives its rows; the file appears whole or not at all. Errors: `storage_full`, `storage_error`. */
export const writeParquet = (fleet: FleetSettings, path: string, work: Work): Promise<number> =>
  wholeFile(path, (output) => follow({ fleet, output }, work))

async function follow(start: WriterStart, { signal, progress }: Work): Promise<number> {
  const child = spawn(process.execPath, ['--expose-gc', '--no-warnings', programs.writer, JSON.stringify(start)], {
    stdio: ['pipe', 'pipe', 'ignore'],
    env: { LANG: 'C.UTF-8' },
    // A signal to the whole group is ours to answer.
    detached: true,
  })
  const gone = once(child, 'close')
  const stop = () => void child.kill('SIGKILL')
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  let done = 0
  let end: Exclude<WriterReport, { rows: number }> | null = null
  try {
    for await (const line of createInterface({ input: child.stdout })) {
      const report = JSON.parse(line) as WriterReport
      const rows = 'rows' in report ? report.rows : 'written' in report ? report.written : done
      progress?.advance(rows - done)
      done = rows
      if (!('rows' in report)) end = report
    }
    await gone
  } finally {
    signal.removeEventListener('abort', stop)
    stop()
  }
  signal.throwIfAborted()
  if (end !== null && 'written' in end) return end.written
  const failed = end !== null && 'failed' in end ? end : null
  const detail = failed?.failed === 'storage_full' ? 'The disk is full.' : 'The file could not be written.'
  throw new DeepWatchError(failed?.failed ?? 'storage_error', detail, { cause: failed?.cause })
}

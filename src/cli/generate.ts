/** `deepwatch generate`: labelled telemetry of a fleet, streamed. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setImmediate } from 'node:timers/promises'
import type { WriterReport, WriterStart } from '../../workers/messages.ts'
import { DeepWatchError } from '../errors.ts'
import type { FleetSettings } from '../generate/index.ts'
import { programs } from '../places.ts'
import { generateSettings } from '../schemas/index.ts'
import type { Work } from '../work.ts'
import type { Call } from './command.ts'
import { chooseFormat, generateFormats } from './format.ts'
import { textPieces } from './generate-text.ts'
import { noOperands } from './given.ts'
import { wholeFile, writing } from './output.ts'
import { count } from './text.ts'

const defaultDays = 14

export async function run(call: Call): Promise<number> {
  noOperands(call)
  const format = chooseFormat(call, generateFormats, 'csv')
  const out = call.text('out') ?? '-'
  const { days, rows: maxRows, ...given } = call.check(generateSettings, call.settings)
  const { hosts, interval, seed } = given
  const length = days ?? (maxRows === undefined ? defaultDays : Number.POSITIVE_INFINITY)
  const fleet: FleetSettings = {
    ...given,
    seconds: Math.min(length * 86_400, Number.MAX_SAFE_INTEGER),
    rows: maxRows ?? Number.MAX_SAFE_INTEGER,
  }
  // A little less come: gaps have no rows.
  const expected = Math.min(fleet.rows, Math.ceil(fleet.seconds / interval) * hosts)
  call.work.progress.begin('writing', expected)
  const rows =
    format === 'parquet'
      ? await wholeFile(out, (output) => writeParquet({ fleet, output }, call.work))
      : await writeStream(call, fleet, format)
  call.work.progress.end()
  if (call.isOn('json') && out !== '-') await call.printJson({ rows, hosts, seed, format, out })
  else call.tell(`${count(rows)} rows of ${count(hosts)} hosts`)
  return 0
}

function writeStream(call: Call, fleet: FleetSettings, format: 'csv' | 'ndjson' | 'arrow'): Promise<number> {
  return writing(call, async (write) => {
    const pieces =
      format === 'arrow' ? (await import('./generate-arrow.ts')).arrowPieces(fleet) : textPieces(fleet, format)
    let rows = 0
    for (const { bytes, rows: more } of pieces) {
      call.work.signal.throwIfAborted()
      await write(bytes)
      rows += more
      call.work.progress.advance(more)
      // Signals and closed pipes are noticed between two pieces.
      await setImmediate()
    }
    return rows
  })
}

/** Has a process of its own write the file, and gives its rows. Errors: `storage_full`, `storage_error`. */
async function writeParquet(start: WriterStart, { signal, progress }: Work): Promise<number> {
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

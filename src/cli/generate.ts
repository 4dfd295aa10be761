/** `deepwatch generate`: labelled telemetry of a fleet, streamed. */
import { createBatch, createTelemetry, type FleetSettings } from '../generate/index.ts'
import { generateSettings } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { chooseFormat, generateFormats, refuseBinary } from './format.ts'
import { writeParquet } from './generate-parquet.ts'
import { csvHead, csvRows, ndjsonRows } from './generate-text.ts'
import { noOperands } from './given.ts'
import { type Output, toFile, toStdout } from './output.ts'
import { count } from './progress.ts'

const defaultDays = 14
const batchRows = 8_192

export async function run(call: Call): Promise<number> {
  noOperands(call)
  const format = chooseFormat(call, generateFormats, 'csv')
  const out = call.text('out') ?? '-'
  if (out === '-') refuseBinary(call, format)
  const { hosts, interval, start, seed, incidentRate, incidents, ...length } = call.check(
    generateSettings,
    call.settings,
  )
  const days = length.days ?? (length.rows === undefined ? defaultDays : Number.POSITIVE_INFINITY)
  const fleet: FleetSettings = {
    ...{ hosts, interval, start, seed, incidentRate, incidents },
    seconds: Math.min(days * 86_400, Number.MAX_SAFE_INTEGER),
    rows: length.rows ?? Number.MAX_SAFE_INTEGER,
  }
  // A little less come: gaps have no rows.
  const expected = Math.min(fleet.rows, Math.ceil(fleet.seconds / interval) * hosts)
  call.work.progress.begin('writing', expected)
  const rows =
    format === 'parquet' ? await writeParquet(fleet, out, call.work) : await writeStream(call, fleet, format, out)
  call.work.progress.end()
  if (call.isOn('json') && out !== '-') await call.print(`${JSON.stringify({ rows, hosts, seed, format, out })}\n`)
  else call.tell(`${count(rows)} rows of ${count(hosts)} hosts`)
  return 0
}

async function writeStream(
  call: Call,
  fleet: FleetSettings,
  format: 'csv' | 'ndjson' | 'arrow',
  out: string,
): Promise<number> {
  const output: Output = out === '-' ? toStdout(call.print) : await toFile(out)
  const pieces =
    format === 'arrow' ? (await import('./generate-arrow.ts')).arrowPieces(fleet) : textPieces(fleet, format)
  let rows = 0
  try {
    for await (const { bytes, rows: more } of pieces) {
      call.work.signal.throwIfAborted()
      await output.write(bytes)
      rows += more
      call.work.progress.advance(more)
      // Signals and closed pipes are noticed between two pieces.
      await new Promise(setImmediate)
    }
    await output.finish()
    return rows
  } finally {
    await output.discard()
  }
}

function* textPieces(fleet: FleetSettings, format: 'csv' | 'ndjson'): Generator<{ bytes: string; rows: number }> {
  const telemetry = createTelemetry(fleet)
  const batch = createBatch(batchRows)
  if (format === 'csv') yield { bytes: csvHead, rows: 0 }
  const text = format === 'csv' ? csvRows(telemetry) : ndjsonRows(telemetry)
  for (;;) {
    telemetry.next(batch)
    if (batch.rows === 0) return
    yield { bytes: text(batch), rows: batch.rows }
  }
}

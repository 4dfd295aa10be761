/** `deepwatch generate`: labelled telemetry of a fleet, streamed. */
import { setImmediate } from 'node:timers/promises'
import type { FleetSettings } from '../generate/index.ts'
import { generateSettings } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { chooseFormat, generateFormats } from './format.ts'
import { writeParquet } from './generate-parquet.ts'
import { textPieces } from './generate-text.ts'
import { noOperands } from './given.ts'
import { writing } from './output.ts'
import { count } from './text.ts'

const defaultDays = 14

export async function run(call: Call): Promise<number> {
  noOperands(call)
  const format = chooseFormat(call, generateFormats, 'csv')
  const out = call.text('out') ?? '-'
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
  const rows = format === 'parquet' ? await writeParquet(fleet, out, call.work) : await writeStream(call, fleet, format)
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

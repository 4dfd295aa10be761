/** Generated rows as text. The same numbers in every format: a double as JavaScript writes it reads back as itself. */
import { createBatch, createTelemetry, type FleetSettings, metricNames, metricScales } from '../generate/index.ts'

const batchRows = 8_192

/** Writers of the metrics' values, which have few decimals: the same text as JavaScript's own, in a quarter of the time. */
const decimals = metricScales.map((scale) => {
  const digits = String(scale).length - 1
  const fractions = Array.from({ length: scale }, (_, part) =>
    part === 0 ? '' : `.${String(part).padStart(digits, '0').replace(/0+$/, '')}`,
  )
  return (value: number): string => {
    const scaled = Math.round(value * scale)
    const part = scaled % scale
    return (scaled - part) / scale + fractions[part]!
  }
})

/** What stands around the values of a row, and a row's end by the number of its incident; 0 is none. */
const csv = {
  head: `timestamp,host,${metricNames.join(',')},label,incident\n`,
  start: (time: string, host: string) => `${time},${host}`,
  keys: metricNames.map(() => ','),
  end: (kind: string | null) => (kind === null ? ',false,\n' : `,true,${kind}\n`),
}
const ndjson: typeof csv = {
  head: '',
  start: (time, host) => `{"timestamp":"${time}","host":"${host}"`,
  keys: metricNames.map((name) => `,"${name}":`),
  end: (kind) => `,"label":${kind !== null},"incident":${JSON.stringify(kind)}}\n`,
}

/** The text of all rows in pieces, and how many rows each holds; no incident is an empty cell or null. */
export function* textPieces(fleet: FleetSettings, format: 'csv' | 'ndjson') {
  const { head, start, keys, end } = format === 'csv' ? csv : ndjson
  const telemetry = createTelemetry(fleet)
  const ends = [null, ...telemetry.kinds].map(end)
  const clock = createClock()
  const batch = createBatch(batchRows)
  for (let text = head; ; text = '') {
    telemetry.next(batch)
    const { rows, times, hosts, values, incidents } = batch
    for (let row = 0; row < rows; row++) {
      text += start(clock(times[row]!), telemetry.hosts[hosts[row]!]!)
      for (let metric = 0; metric < keys.length; metric++)
        text += keys[metric]! + decimals[metric]!(values[metric]![row]!)
      text += ends[incidents[row]!]!
    }
    if (text !== '') yield { bytes: text, rows }
    if (rows === 0) return
  }
}

/** Writes epoch seconds as RFC 3339; many rows have one time. */
function createClock(): (seconds: number) => string {
  let last = Number.NaN
  let text = ''
  return (seconds) => {
    if (seconds !== last) text = `${new Date(seconds * 1000).toISOString().slice(0, 19)}Z`
    last = seconds
    return text
  }
}

/** Generated rows as text. The same numbers in every format: a double as JavaScript writes it reads back as itself. */
import { type Batch, type FleetTelemetry, metricNames, metricScales } from '../generate/index.ts'

export const csvHead = `timestamp,host,${metricNames.join(',')},label,incident\n`

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

/** A writer of batches as lines of CSV; no incident is an empty cell. */
export function csvRows({ hosts, kinds }: FleetTelemetry): (batch: Batch) => string {
  const clock = createClock()
  return ({ rows, times, hosts: numbers, values, incidents }) => {
    let text = ''
    for (let row = 0; row < rows; row++) {
      text += `${clock(times[row]!)},${hosts[numbers[row]!]!}`
      for (let metric = 0; metric < decimals.length; metric++) text += `,${decimals[metric]!(values[metric]![row]!)}`
      const incident = incidents[row]!
      text += incident === 0 ? ',false,\n' : `,true,${kinds[incident - 1]!}\n`
    }
    return text
  }
}

const keys = metricNames.map((name) => `,"${name}":`)

/** A writer of batches as lines of JSON; no incident is null. */
export function ndjsonRows({ hosts, kinds }: FleetTelemetry): (batch: Batch) => string {
  const clock = createClock()
  return ({ rows, times, hosts: numbers, values, incidents }) => {
    let text = ''
    for (let row = 0; row < rows; row++) {
      text += `{"timestamp":"${clock(times[row]!)}","host":"${hosts[numbers[row]!]!}"`
      for (let metric = 0; metric < keys.length; metric++)
        text += keys[metric]! + decimals[metric]!(values[metric]![row]!)
      const incident = incidents[row]!
      text +=
        incident === 0 ? ',"label":false,"incident":null}\n' : `,"label":true,"incident":"${kinds[incident - 1]!}"}\n`
    }
    return text
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

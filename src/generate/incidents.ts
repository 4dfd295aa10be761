/** The incidents that are put into generated telemetry: what they are called, how long they last, what they do to a row. */
import type { Random } from '../kernels/sampling/index.ts'
import { type Metric, metricNames } from './metrics.ts'

/** Every kind, in the order of the schema. `silence` is zeros for a host that does not answer: its rows have labels. */
export const incidentKinds = [
  'spike',
  'level_shift',
  'slow_ramp',
  'saturation',
  'frozen_sensor',
  'broken_correlation',
  'silence',
] as const
export type IncidentKind = (typeof incidentKinds)[number]

const minute = 60
const hour = 60 * minute

/** Shortest and longest, in seconds; lengths are drawn evenly on a logarithmic scale. */
const lengths: Readonly<Record<IncidentKind, readonly [number, number]>> = {
  spike: [10 * minute, 30 * minute],
  level_shift: [1 * hour, 5 * hour],
  slow_ramp: [2 * hour, 8 * hour],
  saturation: [30 * minute, 4 * hour],
  frozen_sensor: [1 * hour, 4 * hour],
  broken_correlation: [1 * hour, 3 * hour],
  silence: [30 * minute, 3 * hour],
}

export interface Incident {
  readonly kind: IncidentKind
  /** First tick, and how many. */
  readonly start: number
  readonly ticks: number
  /** How bad, in [0, 1): the mildest are not meant to be found. */
  readonly severity: number
  /** Chooses between the forms a kind has. */
  readonly form: number
  /** For `frozen_sensor`: the values of the first row, once there was one. */
  held: Float64Array | null
}

/** Mean length in ticks over these kinds. */
export function meanTicks(kinds: readonly IncidentKind[], interval: number): number {
  const mean = ([short, long]: readonly [number, number]) => (long - short) / Math.log(long / short)
  return kinds.reduce((sum, kind) => sum + Math.max(1, mean(lengths[kind]) / interval), 0) / kinds.length
}

/** Draws an incident of a kind. `interval` in seconds. */
export function drawIncident(kind: IncidentKind, start: number, interval: number, random: Random): Incident {
  const [short, long] = lengths[kind]
  const ticks = Math.max(1, Math.round((short * (long / short) ** random.nextFloat()) / interval))
  return { kind, start, ticks, severity: random.nextFloat(), form: random.nextInt(12), held: null }
}

const at = Object.fromEntries(metricNames.map((name, index) => [name, index])) as Record<Metric, number>
const percents: readonly number[] = [at.cpu_percent, at.memory_percent, at.disk_busy_percent]

/** What goes up together, by form; the first one by twice as much as the others. */
const spikes = [
  [at.latency_ms, at.errors_per_minute],
  [at.errors_per_minute, at.latency_ms],
  [at.network_out_mbps, at.network_in_mbps, at.cpu_percent],
  [at.disk_busy_percent, at.load, at.latency_ms],
]
const shifts = [
  [at.latency_ms, at.errors_per_minute, at.load],
  [at.network_in_mbps, at.network_out_mbps, at.cpu_percent],
  [at.disk_busy_percent, at.latency_ms],
  [at.memory_percent, at.disk_busy_percent],
]
const ramps = [
  [at.memory_percent, at.load],
  [at.latency_ms, at.load, at.errors_per_minute],
  [at.disk_busy_percent, at.latency_ms],
]
const sensors = [
  [at.cpu_percent, at.load],
  [at.latency_ms, at.errors_per_minute],
  [at.network_in_mbps, at.network_out_mbps],
  metricNames.map((_, index) => index),
]

/** Changes the row of one tick. `mirrored` is that of the same host at the opposite demand. */
export function applyIncident(incident: Incident, tick: number, values: Float64Array, mirrored: Float64Array): void {
  const { kind, severity, form } = incident
  switch (kind) {
    case 'spike':
      raise(values, spikes[form % 4]!, 3 + 8 * severity)
      break
    case 'level_shift':
      raise(values, shifts[form % 4]!, 0.8 + 2.2 * severity)
      break
    case 'slow_ramp':
      raise(values, ramps[form % 3]!, ((tick - incident.start + 1) / incident.ticks) * (2.5 + 4 * severity))
      break
    case 'saturation': {
      const cpu = at.cpu_percent
      values[cpu] = Math.max(values[cpu]!, 100 - (100 - values[cpu]!) * (0.06 + 0.2 * (1 - severity)))
      values[at.load]! *= 2.2 + 2 * severity
      values[at.latency_ms]! *= 2.5 + 4 * severity
      values[at.errors_per_minute] = Math.round(values[at.errors_per_minute]! * (2 + 4 * severity) + 4 + 6 * severity)
      values[at.network_out_mbps]! *= 0.85
      break
    }
    case 'frozen_sensor': {
      incident.held ??= values.slice()
      for (const metric of sensors[form % 4]!) values[metric] = incident.held[metric]!
      break
    }
    case 'broken_correlation': {
      // Half of the metrics follow a demand that is not there.
      const moved = form % 2 === 0 ? [at.cpu_percent, at.load] : [at.network_in_mbps, at.network_out_mbps]
      for (const metric of moved) values[metric] = mirrored[metric]!
      break
    }
    case 'silence':
      values.fill(0)
  }
}

/** Adds multiples of the values, half as much for those after the first; a percentage only nears its end. */
function raise(values: Float64Array, metrics: readonly number[], by: number): void {
  for (const [index, metric] of metrics.entries()) {
    const factor = index === 0 ? by : by / 2
    const value = values[metric]!
    if (metric === at.errors_per_minute) values[metric] = Math.round(value + 4 * factor)
    else if (percents.includes(metric)) values[metric] = value + (100 - value) * (1 - 1 / (1 + factor))
    else values[metric] = value * (1 + factor)
  }
}

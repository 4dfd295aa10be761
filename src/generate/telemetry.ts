/** Telemetry of a fleet by time, then host, with labels: the same seed gives the same rows, in any batches. */
import { createRandom, type Random } from '../kernels/sampling/index.ts'
import { createHost, type Host } from './host.ts'
import { applyIncident, drawIncident, type Incident, type IncidentKind, meanTicks } from './incidents.ts'
import { metricNames, metricScales } from './metrics.ts'

export interface FleetSettings {
  readonly hosts: number
  /** First time, in epoch seconds. */
  readonly start: number
  /** Seconds from one observation of a host to the next. */
  readonly interval: number
  /** A safe integer. */
  readonly seed: number
  /** Share of the rows that belong to an incident, in [0, 0.5]. */
  readonly incidentRate: number
  readonly incidents: readonly IncidentKind[]
  /** The run ends before this many seconds have passed, or after so many rows. */
  readonly seconds: number
  readonly rows: number
}

/** Rows, column by column; all arrays have one length, of which the first `rows` places count. */
export interface Batch {
  rows: number
  readonly times: Float64Array
  /** Number of the host: its place in `hosts`. */
  readonly hosts: Uint32Array
  /** One column per metric, in the order of `metricNames`. */
  readonly values: readonly Float64Array[]
  /** 0, or 1 + the number of the kind in `kinds`. */
  readonly incidents: Uint8Array
}

/** An empty batch for this many rows. */
export function createBatch(capacity: number): Batch {
  return {
    rows: 0,
    times: new Float64Array(capacity),
    hosts: new Uint32Array(capacity),
    values: metricNames.map(() => new Float64Array(capacity)),
    incidents: new Uint8Array(capacity),
  }
}

/** Mean days between restarts, and between gaps, of one host. */
const restartDays = 12
const gapDays = 3
const day = 86_400

interface Life {
  readonly host: Host
  /** For gaps and restarts. */
  readonly life: Random
  /** For incidents alone: without them every other number stays what it is. */
  readonly fate: Random
  incident: Incident | null
  /** Next of the kinds, and the tick before which nothing new begins. */
  turn: number
  quietUntil: number
  missing: number
}

/** Starts a run. Memory grows with the number of hosts alone. */
export function createTelemetry(settings: FleetSettings) {
  const { interval, seed, incidents: kinds } = settings
  const digits = String(settings.hosts).length
  const lives = Array.from({ length: settings.hosts }, (_, number): Life => {
    const life = createRandom(seed, 4 * number + 2)
    const host = createHost(
      number,
      digits,
      interval,
      createRandom(seed, 4 * number),
      createRandom(seed, 4 * number + 1),
    )
    const fate = createRandom(seed, 4 * number + 3)
    const quietUntil = Math.floor(fate.nextFloat() * pauseOf(settings, fate))
    return { host, life, fate, incident: null, turn: (3 * number) % kinds.length, quietUntil, missing: 0 }
  }).sort((a, b) => (a.host.name < b.host.name ? -1 : 1))
  const values = new Float64Array(metricNames.length)
  const mirrored = new Float64Array(metricNames.length)
  const ticks = Math.ceil(settings.seconds / interval)
  const hasIncidents = settings.incidentRate > 0 && kinds.length > 0
  let tick = 0
  let at = 0
  let rows = 0

  /** One tick of one host: its row into `values`. Gives the number of the incident, or -1 when there is no row. */
  function live(self: Life): number {
    self.host.observe(settings.start + tick * interval, values, mirrored)
    const luck = self.life.nextFloat()
    const length = self.life.nextInt(3)
    if (self.missing > 0) self.missing--
    else if (luck < interval / (restartDays * day)) {
      self.host.restart()
      self.missing = 1
    } else if (luck > 1 - interval / (gapDays * day)) self.missing = 1 + length
    const incident = hasIncidents ? current(self) : null
    if (incident !== null) applyIncident(incident, tick, values, mirrored)
    if (self.missing > 0) return -1
    return incident === null ? 0 : 1 + kinds.indexOf(incident.kind)
  }

  function current(self: Life): Incident | null {
    const { incident } = self
    if (incident !== null) {
      if (tick < incident.start + incident.ticks) return incident
      self.incident = null
      self.quietUntil = tick + pauseOf(settings, self.fate)
    }
    if (tick < self.quietUntil) return null
    self.incident = drawIncident(kinds[self.turn++ % kinds.length]!, tick, interval, self.fate)
    return self.incident
  }

  /** Fills the batch with the next rows; 0 rows are the end. */
  function next(batch: Batch): void {
    const capacity = batch.times.length
    let row = 0
    while (row < capacity && rows < settings.rows && tick < ticks) {
      const incident = live(lives[at]!)
      if (incident >= 0) {
        batch.times[row] = settings.start + tick * interval
        batch.hosts[row] = at
        batch.incidents[row] = incident
        for (let metric = 0; metric < values.length; metric++) {
          const scale = metricScales[metric]!
          batch.values[metric]![row] = Math.round(values[metric]! * scale) / scale
        }
        row++
        rows++
      }
      if (++at === lives.length) {
        at = 0
        tick++
      }
    }
    batch.rows = row
  }

  /** `hosts` are their names, in the order of the rows of one time. */
  return { hosts: lives.map(({ host }) => host.name), kinds, next }
}

/** Ticks of peace until the next incident; exponential, so that the share of rows in one comes out as asked. */
function pauseOf({ incidents, incidentRate, interval }: FleetSettings, fate: Random): number {
  if (incidentRate === 0) return Number.POSITIVE_INFINITY
  const mean = (meanTicks(incidents, interval) * (1 - incidentRate)) / incidentRate
  return Math.max(1, Math.round(-mean * Math.log(1 - fate.nextFloat())))
}

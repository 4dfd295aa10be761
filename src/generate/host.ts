/** A generated host: its character, drawn once, and how it behaves from tick to tick. */
import type { Random } from '../kernels/sampling/index.ts'
import { metricNames } from './metrics.ts'

/** What hosts do for a living: the centre of their levels. */
interface Role {
  readonly cores: number
  /** Percent without and per unit of demand. */
  readonly cpu: readonly [idle: number, slope: number]
  readonly memory: number
  readonly disk: readonly [idle: number, slope: number]
  readonly networkIn: number
  /** Bytes out per byte in. */
  readonly answer: number
  readonly latency: number
  readonly errors: number
}

const roles = {
  web: { cores: 8, cpu: [6, 32], memory: 54, disk: [5, 6], networkIn: 36, answer: 3.1, latency: 24, errors: 1.2 },
  api: { cores: 8, cpu: [8, 38], memory: 60, disk: [4, 5], networkIn: 24, answer: 1.6, latency: 38, errors: 1.6 },
  db: { cores: 16, cpu: [10, 28], memory: 74, disk: [16, 26], networkIn: 18, answer: 2, latency: 9, errors: 0.4 },
} as const satisfies Readonly<Record<string, Role>>
const rolesInTurn = ['web', 'api', 'web', 'db'] as const

/** Where hosts stand, by their hours from UTC: people work, and go home, at different times. */
const sites = [
  { name: 'eu', utcOffset: 1 },
  { name: 'us', utcOffset: -6 },
  { name: 'ap', utcOffset: 8 },
] as const

const day = 86_400
/** Monday, 1970-01-05. */
const firstMonday = 4 * day

/** Sum of four uniform numbers, scaled to mean 0 and deviation 1: bounded by 3.5, which no alarm should rest on. */
function normal(random: Random): number {
  const a = random.nextUint32()
  const b = random.nextUint32()
  const sum = (a & 0xffff) + (a >>> 16) + (b & 0xffff) + (b >>> 16)
  return (sum / 65_536 - 2 + 2 / 65_536) * 1.7320508075688772
}

/** First-order noise with deviation 1 that forgets over `memory` seconds: gives its next value. */
function createNoise(memory: number, interval: number, random: Random): () => number {
  const keep = Math.exp(-interval / memory)
  const fresh = Math.sqrt(1 - keep * keep)
  let value = normal(random)
  return () => {
    value = keep * value + fresh * normal(random)
    return value
  }
}

export type Host = ReturnType<typeof createHost>

/** One host, asked for every tick once, in order. `character` is drawn from once, `life` at every tick. `interval` in seconds. */
export function createHost(number: number, digits: number, interval: number, character: Random, life: Random) {
  const roleName = rolesInTurn[number % rolesInTurn.length]!
  const role: Role = roles[roleName]
  const site = sites[Math.floor(number / rolesInTurn.length) % sites.length]!
  const around = (centre: number, spread: number) => centre * Math.exp(spread * normal(character))
  /** Its own levels, around those of its role. */
  const level: Role = {
    ...role,
    cpu: [around(role.cpu[0], 0.12), around(role.cpu[1], 0.08)],
    memory: Math.min(82, around(role.memory, 0.05)),
    disk: [around(role.disk[0], 0.12), around(role.disk[1], 0.1)],
    networkIn: around(role.networkIn, 0.1),
    answer: around(role.answer, 0.06),
    latency: around(role.latency, 0.08),
    errors: around(role.errors, 0.15),
  }
  /** Daily rhythm: strength, hour of the peak, and the second wave of the afternoon. */
  const swing = 0.34 + 0.14 * character.nextFloat()
  const peak = 13 + 3 * character.nextFloat()
  const second = 0.08 + 0.1 * character.nextFloat()
  const weekend = 0.65 + 0.2 * character.nextFloat()
  const backup = 1.5 + 2 * character.nextFloat()
  /** Seconds since the last restart. */
  let uptime = Math.floor(20 * character.nextFloat()) * day
  const demandNoise = createNoise(3 * 3600, interval, life)
  const ownNoise = metricNames.map(() => createNoise(1200, interval, life))
  const noise = new Float64Array(metricNames.length)

  return {
    name: `${site.name}-${roleName}-${String(number + 1).padStart(digits, '0')}`,
    /** The machine starts again now: caches are empty, and filling them takes work. */
    restart(): void {
      uptime = 0
    },
    /** The metrics at `time` (epoch seconds), and at the opposite demand; always draws as many random numbers. */
    observe(time: number, values: Float64Array, mirrored: Float64Array): void {
      uptime += interval
      const slow = demandNoise()
      for (let metric = 0; metric < noise.length; metric++)
        noise[metric] = 0.75 * ownNoise[metric]!() + 0.66 * normal(life)
      const local = time + site.utcOffset * 3600
      const hours = (((local % day) + day) % day) / 3600
      const week = weekFactor(local, weekend)
      const rhythm =
        Math.cos(((hours - peak) / 24) * 2 * Math.PI) + second * Math.cos(((hours - peak - 2) / 12) * 2 * Math.PI)
      const wobble = Math.exp(0.1 * slow)
      const state = { noise, uptime, level, backup: Math.max(0, 1 - Math.abs(hours - backup) / 0.75) }
      fill(values, (1 + swing * rhythm) * week * wobble, state)
      // At least a good half of the swing away from where the demand is.
      const opposite = rhythm > 0 ? Math.min(-rhythm, -0.55) : Math.max(-rhythm, 0.55)
      fill(mirrored, (1 + swing * opposite) * week * wobble, state)
    },
  }
}

interface State {
  readonly noise: Float64Array
  readonly uptime: number
  readonly level: Role
  /** How far the nightly backup is under way, in [0, 1]. */
  readonly backup: number
}

function fill(into: Float64Array, demand: number, { noise, uptime, level, backup }: State): void {
  const [cpuIdle, cpuSlope] = level.cpu
  const [diskIdle, diskSlope] = level.disk
  // For a quarter of an hour after a start everything is loaded anew.
  const warming = uptime < 900 ? 15 * (1 - uptime / 900) : 0
  const cpu = clip((cpuIdle + cpuSlope * demand) * (1 + 0.06 * noise[0]!) + warming + 3 * backup, 0.5, 99)
  const busy = cpu / 100
  into[0] = cpu
  into[1] = Math.max(0, level.cores * busy * (1 + 0.6 * busy * busy) * (1 + 0.07 * noise[1]!))
  // Caches fill within hours, and a little is never given back.
  const filled = 1 - Math.exp(-uptime / 14_400)
  const aged = Math.min(uptime / (30 * day), 1)
  into[2] = clip(level.memory * (0.62 + 0.38 * filled) + 5 * aged + 3 * (demand - 1) + 0.5 * noise[2]!, 3, 99)
  into[3] = clip((diskIdle + diskSlope * demand) * (1 + 0.14 * noise[3]!) + 9 * backup + warming, 0, 99)
  const networkIn = level.networkIn * demand * (1 + 0.07 * noise[4]!)
  into[4] = Math.max(0, networkIn)
  into[5] = Math.max(0, networkIn * level.answer * (1 + 0.05 * noise[5]!))
  into[6] = level.latency * (1 + (0.35 * busy) / (1.1 - busy)) * Math.exp(0.1 * noise[6]!) + 0.2 * warming
  const failures = level.errors * demand * (1 + busy)
  into[7] = Math.max(0, Math.round(failures + Math.sqrt(failures) * noise[7]!))
}

/** 1 on working days, the host's own share at weekends; two hours from one to the other. */
function weekFactor(local: number, weekend: number): number {
  const hour = ((((local - firstMonday) % (7 * day)) + 7 * day) % (7 * day)) / 3600
  const share = hour < 1 ? (1 - hour) / 2 : hour > 167 ? (169 - hour) / 2 : clip((hour - 119) / 2, 0, 1)
  return 1 - (1 - weekend) * share
}

const clip = (value: number, min: number, max: number) => (value < min ? min : value > max ? max : value)

/** One job in memory: its record, its latest changes and their listeners. */
import type { DeepWatchError } from '../errors.ts'
import type { Progress } from '../work.ts'
import { isOver, type JobRecord } from './record.ts'

/** Wall time is shown; the steady clock measures, so that a jump of the wall clock ages nothing. Both in milliseconds. */
export interface Clock {
  wall(): number
  steady(): number
}

export const realClock: Clock = { wall: () => Date.now(), steady: () => performance.now() }

/** A change of state or stage. Numbers count from 1. */
export interface Moment {
  readonly number: number
  readonly record: JobRecord
}

/** Changes that are remembered for listeners that reconnect. */
const maxMoments = 64

export class Job {
  readonly #clock: Clock
  readonly #controller = new AbortController()
  readonly signal = this.#controller.signal
  readonly #moments: Moment[] = []
  readonly #listeners = new Set<() => void>()
  #record: JobRecord
  #stageSince: number
  readonly id: string
  /** When it is forgotten, by both clocks; null while it is not over. */
  expires: { readonly steady: number; readonly wall: number } | null = null
  /** Fulfils when the job is over and nothing of its work is left. */
  readonly settled: Promise<void>
  settle: () => void = () => {}

  constructor(record: JobRecord, clock: Clock) {
    this.#record = record
    this.id = record.id
    this.#clock = clock
    this.#stageSince = clock.steady()
    this.settled = new Promise((resolve) => {
      this.settle = resolve
    })
    if (this.isOver) this.settle()
    this.#remember()
  }

  /** The present state, speed included. */
  get record(): JobRecord {
    const { rowsDone, state } = this.#record
    if (state !== 'running') return this.#record
    const seconds = (this.#clock.steady() - this.#stageSince) / 1000
    return { ...this.#record, rowsPerSecond: seconds > 0 ? rowsDone / seconds : 0 }
  }

  /** Sets how long the job is kept from now on. */
  keepFor(ms: number): void {
    this.expires = { steady: this.#clock.steady() + ms, wall: this.#clock.wall() + ms }
  }

  get isOver(): boolean {
    return isOver(this.#record.state)
  }

  /** What a use case reports while it works for this job. */
  readonly progress: Progress = {
    begin: (stage, rows) => {
      this.#stageSince = this.#clock.steady()
      this.become({ stage, rowsDone: 0, rowsTotal: rows, rowsPerSecond: 0 })
    },
    advance: (rows) => {
      if (!this.isOver) this.#record = { ...this.#record, rowsDone: this.#record.rowsDone + rows }
    },
  }

  /** Changes the record and wakes the listeners. A job that is over stays as it is. */
  become(change: Partial<JobRecord>): void {
    if (this.isOver) return
    this.#record = { ...this.record, ...change }
    this.#remember()
    for (const wake of [...this.#listeners]) wake()
  }

  /** Cancelled, or the service ends: the work fails with `reason`. */
  abort(reason: DeepWatchError): void {
    this.#controller.abort(reason)
  }

  get newest(): Moment {
    return this.#moments.at(-1)!
  }

  /** The first change after that number that is still remembered. */
  after(number: number): Moment | undefined {
    return this.#moments.find((moment) => moment.number > number)
  }

  /** Resolves at the next change, after `ms` or when the signal aborts, whatever comes first. */
  change(ms: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.isOver) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = () => {
        clearTimeout(timer)
        this.#listeners.delete(wake)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const timer = setTimeout(wake, ms)
      this.#listeners.add(wake)
      signal.addEventListener('abort', wake, { once: true })
    })
  }

  #remember(): void {
    const number = (this.#moments.at(-1)?.number ?? 0) + 1
    this.#moments.push({ number, record: this.#record })
    if (this.#moments.length > maxMoments) this.#moments.shift()
  }
}

/** What a listener gets: a change, or progress since. Null is a sign of life and nothing else. */
export type Heard = Moment | null

/**
 * Follows a job to its end: every change after `from`, and progress at most every `paceMs`. A slow listener fills no queue:
 * progress is read when it is asked for. Ends early when the signal aborts.
 */
export async function* follow(
  job: Job,
  options: { from: number | null; paceMs: number; beatMs: number; signal: AbortSignal },
): AsyncGenerator<Heard> {
  const { from, paceMs, beatMs, signal } = options
  let heard = from ?? job.newest.number - 1
  let rowsDone = -1
  let silentSince = performance.now()
  const tell = (moment: Heard) => {
    rowsDone = moment?.record.rowsDone ?? rowsDone
    heard = moment?.number ?? heard
    silentSince = performance.now()
    return moment
  }
  while (!signal.aborted) {
    const next = job.after(heard)
    if (next) yield tell(next)
    else if (job.isOver) return
    else if (job.record.rowsDone !== rowsDone && performance.now() - silentSince >= paceMs)
      yield tell({ number: heard, record: job.record })
    else if (performance.now() - silentSince >= beatMs) yield tell(null)
    else await job.change(paceMs, signal)
  }
}

/** One job: the record that is stored on disk, and in memory its latest changes and their listeners, which end with the process. */
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { DeepWatchError, type ErrorCode, isErrorCode } from '../errors.ts'
import { type JobState, jobKinds, jobStates } from '../schemas/index.ts'
import { type Progress, stages } from '../work.ts'

const hex = z.string().regex(/^[0-9a-f]{64}$/)
const count = z.int().min(0)
const milliseconds = z.int()

export const jobRecord = z.strictObject({
  id: z.uuid(),
  kind: z.enum(jobKinds),
  model: z.string().max(100),
  /** Name of the token it was asked for with; null in a service without tokens. */
  owner: z.string().max(64).nullable(),
  requestId: z.string().max(64),
  /** A request waits for the answer: the client gave a key and did not ask for a job. */
  awaited: z.boolean(),
  /** Digests of the idempotency key and of the request made with it; null without one, or when it was freed. */
  key: z.strictObject({ id: hex, request: hex }).nullable(),
  state: z.enum(jobStates),
  stage: z.enum(stages),
  rowsDone: count,
  rowsTotal: count.nullable(),
  rowsPerSecond: z.number().min(0),
  createdAt: milliseconds,
  startedAt: milliseconds.nullable(),
  finishedAt: milliseconds.nullable(),
  failure: z
    .strictObject({
      code: z.custom<ErrorCode>(isErrorCode),
      detail: z.string(),
      facts: z.record(z.string(), z.unknown()),
    })
    .nullable(),
  result: z
    .strictObject({
      status: z.int().min(200).max(299),
      type: z.string(),
      headers: z.record(z.string(), z.string()),
      bytes: count,
    })
    .nullable(),
})

export type JobRecord = Readonly<z.infer<typeof jobRecord>>

/** What is known of a job before it is accepted. */
export type AskedJob = Pick<JobRecord, 'kind' | 'model' | 'owner' | 'requestId' | 'key' | 'awaited'>

/** A job as it is accepted. */
export function newRecord({ kind, model, owner, requestId, awaited, key }: AskedJob, now: number): JobRecord {
  return {
    id: randomUUID(),
    kind,
    model,
    owner,
    requestId,
    awaited,
    key,
    state: 'queued',
    stage: 'waiting',
    rowsDone: 0,
    rowsTotal: null,
    rowsPerSecond: 0,
    createdAt: now,
    startedAt: null,
    finishedAt: null,
    failure: null,
    result: null,
  }
}

export const isOver = (state: JobState): boolean => state !== 'queued' && state !== 'running'

/** What a failed job failed with. */
export function failureOf({ failure }: JobRecord): DeepWatchError | null {
  return failure && new DeepWatchError(failure.code, failure.detail, { facts: failure.facts })
}

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

/** Every change after `from`, and progress at most every `paceMs`. Ends with the job or when the signal aborts. */
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

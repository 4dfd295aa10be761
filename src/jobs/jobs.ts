/** Jobs: work that goes on without its request, or is waited for by one with an idempotency key; answers are stored. */
import { setTimeout as delay } from 'node:timers/promises'
import { DeepWatchError } from '../errors.ts'
import { createGate, type Gate } from '../flow.ts'
import { type JobState, jobStates } from '../schemas/index.ts'
import type { Work } from '../work.ts'
import { type Answer, isWhole, piecesOf } from './answer.ts'
import type { JobsFolder } from './folder.ts'
import { type AskedJob, type Clock, failureOf, isOver, Job, type JobRecord, newRecord, realClock } from './job.ts'
import { createShelf, type Shelf, type ShelfLimits } from './shelf.ts'

export interface JobsLimits extends ShelfLimits {
  readonly running: number
  readonly queue: number
  /** Bytes of JSON bodies that unfinished jobs may hold in memory together. */
  readonly heldBytes: number
}

export interface JobsParts {
  readonly folder: JobsFolder
  readonly limits: JobsLimits
  readonly log: { warn(facts: object, message: string): void }
  readonly clock?: Clock
}

/** A request that becomes a job, or waits for one. */
export interface JobRequest extends AskedJob {
  /** Bytes of its body that stay in memory until it is over. */
  readonly heldBytes: number
  readonly log: NonNullable<Work['log']>
  /** Does the work; called again when there was no room for it. */
  produce(work: Work): Promise<Answer>
  /** The error of the table for whatever was thrown. */
  explain(error: unknown): DeepWatchError
  /** Removes what was taken in for it. Idempotent, never throws. */
  dispose(): Promise<void>
}

/** After a refusal for want of room. */
const retryMs = 500

/** Loads what an earlier process left: what it had not finished is `interrupted`. */
export async function openJobs({ folder, limits, log, clock = realClock }: JobsParts): Promise<Jobs> {
  const shelf = createShelf(folder, limits, clock)
  const { records, damaged } = await folder.load(limits.keepMs)
  if (damaged.length > 0) log.warn({ files: damaged.slice(0, 10), count: damaged.length }, 'stored jobs cannot be used')
  for (const record of records) {
    const ended: JobRecord = isOver(record.state)
      ? record
      : { ...record, state: 'interrupted', finishedAt: clock.wall(), rowsPerSecond: 0, key: null }
    // What cannot be written now is found unfinished, and is interrupted, the next time too.
    if (ended !== record) await folder.save(ended).catch((err) => log.warn({ err }, 'stored jobs cannot be used'))
    const job = new Job(ended, clock)
    const age = Math.min(Math.max(clock.wall() - ended.finishedAt!, 0), limits.keepMs)
    job.keepFor(limits.keepMs - age)
    shelf.put(job)
  }
  shelf.expire()
  return new Jobs({ folder, limits, log, clock }, shelf)
}

export class Jobs {
  readonly #parts: Required<JobsParts>
  readonly #shelf: Shelf
  readonly #gate: Gate
  /** Fulfils once an accepted job is on disk. */
  readonly #accepted = new WeakMap<Job, Promise<void>>()
  readonly #sweeper: NodeJS.Timeout
  #unfinished = 0
  #heldBytes = 0
  #draining = false

  constructor(parts: Required<JobsParts>, shelf: Shelf) {
    const { limits } = parts
    this.#parts = parts
    this.#shelf = shelf
    this.#gate = createGate(limits.running, Number.POSITIVE_INFINITY)
    this.#sweeper = setInterval(shelf.expire, Math.min(limits.keepMs, 60_000)).unref()
  }

  /** Whether another one would be refused now. */
  get saturated(): boolean {
    return this.#unfinished >= this.#parts.limits.running + this.#parts.limits.queue
  }

  /**
   * Accepts a request, durably unless it is awaited, or finds the job of an equal one with its key; `request.dispose` is called in any
   * case. Errors: `idempotency_conflict`, `overloaded`, `shutting_down`, `storage_full`, `storage_error`.
   */
  async submit(request: JobRequest): Promise<{ job: Job; isNew: boolean }> {
    try {
      if (this.#draining) throw new DeepWatchError('shutting_down', 'The service takes no more jobs.')
      this.#shelf.expire()
      const known = request.key && this.#shelf.ofKey(request.key.id)
      if (!known) return { job: await this.#accept(request), isNew: true }
      await request.dispose()
      return { job: await this.#sameRequest(known, request), isNew: false }
    } catch (error) {
      await request.dispose()
      throw error
    }
  }

  async #accept(request: JobRequest): Promise<Job> {
    if (this.saturated || this.#heldBytes + request.heldBytes > this.#parts.limits.heldBytes)
      throw new DeepWatchError('overloaded', 'Too many jobs are waiting.')
    const job = new Job(newRecord(request, this.#parts.clock.wall()), this.#parts.clock)
    this.#unfinished++
    this.#heldBytes += request.heldBytes
    this.#shelf.put(job)
    const saved = request.awaited ? Promise.resolve() : this.#parts.folder.save(job.record)
    this.#accepted.set(job, saved)
    try {
      await saved
    } catch (error) {
      this.#release(request)
      void this.#shelf.forget(job)
      throw error
    }
    void this.#run(job, request)
    return job
  }

  async #sameRequest(known: Job, request: JobRequest): Promise<Job> {
    if (known.record.key?.request !== request.key?.request)
      throw new DeepWatchError('idempotency_conflict', 'The Idempotency-Key was used for another request.')
    await this.#accepted.get(known)
    return known
  }

  /** Runs a job when its turn comes, and makes its end durable and known. Never rejects. */
  async #run(job: Job, request: JobRequest): Promise<void> {
    const work = () => this.#work(job, request)
    const end = await (request.awaited ? work() : this.#gate.run(work, job.signal)).catch((error: unknown) =>
      endOf(job, request, error),
    )
    await request.dispose()
    await this.#finish(job, end)
    this.#release(request)
    job.settle()
    this.#shelf.expire()
  }

  async #work(job: Job, request: JobRequest): Promise<Partial<JobRecord>> {
    job.become({ state: 'running', startedAt: this.#parts.clock.wall() })
    if (!request.awaited) await this.#parts.folder.save(job.record)
    const answer = await produce(job, request)
    try {
      const { status, type, headers } = answer
      const isCommitted = isWhole(answer) && answer.isCommitted
      const bytes = await this.#parts.folder.receive(job.id, answer.pieces, (bytes) => {
        if (!isCommitted) job.signal.throwIfAborted()
        this.#shelf.makeRoom(job, bytes)
      })
      const { rowsDone, rowsTotal } = job.record
      const result = { status, type, headers: { ...headers }, bytes }
      return { state: 'succeeded', rowsDone: rowsTotal ?? rowsDone, result }
    } finally {
      if (!isWhole(answer)) await answer.close()
    }
  }

  /** An end that cannot be written is a failure. */
  async #finish(job: Job, end: Partial<JobRecord>): Promise<void> {
    const over = { ...job.record, ...end, finishedAt: this.#parts.clock.wall() }
    try {
      await this.#parts.folder.save(over)
    } catch (error) {
      const { code, message: detail, facts } = error as DeepWatchError
      this.#parts.log.warn({ err: error, requestId: job.record.requestId }, 'the end of a job could not be written')
      if (over.result) await this.#parts.folder.remove(job.id)
      Object.assign(over, { state: 'failed', result: null, key: null, failure: { code, detail, facts } })
    }
    const { key } = job.record
    if (key && !over.key) this.#shelf.freeKey(key.id)
    job.keepFor(this.#parts.limits.keepMs)
    job.become(over)
    // Jobs are forgotten in the order in which they ended.
    this.#shelf.put(job)
    this.#shelf.grown(job)
  }

  #release(request: JobRequest): void {
    this.#unfinished--
    this.#heldBytes -= request.heldBytes
  }

  find(id: string): Job | undefined {
    this.#shelf.expire()
    return this.#shelf.find(id)
  }

  /** Newest first. */
  list(): Job[] {
    this.#shelf.expire()
    const newestFirst = this.#shelf.all().reverse()
    return newestFirst.sort((a, b) => b.record.createdAt - a.record.createdAt)
  }

  /** Of a job that succeeded. Errors: what it failed with, `job_not_finished`, `job_cancelled`, `job_interrupted`, `storage_error`. */
  async result({ id, record }: Job): Promise<Answer> {
    const { state, result } = record
    const failure = failureOf(record)
    if (failure) throw failure
    if (state === 'cancelled') throw cancelled()
    if (state === 'interrupted') throw interrupted()
    if (!result) throw new DeepWatchError('job_not_finished', 'The job is not over yet.')
    const file = await this.#parts.folder.read(id)
    return { ...result, pieces: piecesOf(file), close: async () => {} }
  }

  /** Cancels what is not over, and returns when nothing of its work is left; forgets what is, result and all. */
  async remove(job: Job): Promise<void> {
    if (job.isOver) return this.#shelf.forget(job)
    job.abort(cancelled())
    await job.settled
  }

  counts(): Record<JobState, number> {
    this.#shelf.expire()
    const counts = Object.fromEntries(jobStates.map((state) => [state, 0])) as Record<JobState, number>
    for (const { record } of this.#shelf.all()) counts[record.state]++
    return counts
  }

  /** Interrupts what waits at once and what runs after `ms`; returns when all are over. */
  async drain(ms: number): Promise<void> {
    this.#draining = true
    const unfinished = this.#shelf.all().filter((job) => !job.isOver)
    for (const job of unfinished) if (job.record.state === 'queued') job.abort(interrupted())
    const timer = setTimeout(() => {
      for (const job of unfinished) job.abort(interrupted())
    }, ms)
    await Promise.all(unfinished.map((job) => job.settled))
    clearTimeout(timer)
  }

  close(): void {
    clearInterval(this.#sweeper)
  }
}

/** The answer of a request. It was accepted, so it waits when there is no room for it. */
async function produce(job: Job, request: JobRequest): Promise<Answer> {
  const { signal, progress } = job
  for (;;) {
    try {
      return await request.produce({ signal, progress, log: request.log })
    } catch (error) {
      const isFull = error instanceof DeepWatchError && error.code === 'overloaded'
      if (!isFull || request.awaited || signal.aborted) throw error
      job.become({ stage: 'waiting', rowsDone: 0, rowsTotal: null, rowsPerSecond: 0 })
      await delay(retryMs, undefined, { signal }).catch(() => signal.throwIfAborted())
    }
  }
}

function endOf(job: Job, request: JobRequest, error: unknown): Partial<JobRecord> {
  const reason: unknown = job.signal.reason
  if (reason instanceof DeepWatchError)
    return { state: reason.code === 'job_cancelled' ? 'cancelled' : 'interrupted', key: null }
  const { code, message: detail, facts, status } = request.explain(error)
  // What failed on our side may succeed the next time, with the same key.
  const key = status < 500 ? job.record.key : null
  return { state: 'failed', key, failure: { code, detail, facts } }
}

const interrupted = () => new DeepWatchError('job_interrupted', 'The service stopped before the job was over.')
const cancelled = () => new DeepWatchError('job_cancelled', 'The job was cancelled.')

/**
 * Jobs: work that goes on without the request that asked for it, and whose answer is stored. A request with an idempotency
 * key is one too, which its own request waits for. What a job does, and what its answer looks like, the door hands in.
 */
import { DeepWatchError } from '../errors.ts'
import { type JobState, jobStates } from '../schemas/index.ts'
import type { Answer } from './answer.ts'
import type { JobsFolder } from './folder.ts'
import { type Clock, Job, realClock } from './job.ts'
import { failureOf, isOver, type JobRecord, newRecord } from './record.ts'
import { interrupted, type JobRequest, JobRunner } from './runner.ts'
import { createShelf, type Shelf, type ShelfLimits } from './shelf.ts'

export interface JobsLimits extends ShelfLimits {
  /** Jobs at work at once. */
  readonly running: number
  /** Jobs that may wait beside them. */
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
  readonly #folder: JobsFolder
  readonly #limits: JobsLimits
  readonly #clock: Clock
  readonly #shelf: Shelf
  readonly #runner: JobRunner
  /** Fulfils once an accepted job is on disk. */
  readonly #accepted = new WeakMap<Job, Promise<void>>()
  readonly #sweeper: NodeJS.Timeout
  #unfinished = 0
  #heldBytes = 0
  #draining = false

  constructor({ folder, limits, log, clock }: Required<JobsParts>, shelf: Shelf) {
    this.#folder = folder
    this.#limits = limits
    this.#clock = clock
    this.#shelf = shelf
    this.#runner = new JobRunner({ folder, shelf, limits, log, clock })
    this.#sweeper = setInterval(shelf.expire, Math.min(limits.keepMs, 60_000)).unref()
  }

  /** Whether another one would be refused now. */
  get saturated(): boolean {
    return this.#unfinished >= this.#limits.running + this.#limits.queue
  }

  /**
   * Accepts a request, durably unless it is awaited, and begins when its turn comes; or finds the job of an equal request
   * with the same key. `request.dispose` is called when nothing of it is needed any more, also when this throws.
   * Errors: `idempotency_conflict`, `overloaded`, `shutting_down`, `storage_full`, `storage_error`.
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
    if (this.saturated || this.#heldBytes + request.heldBytes > this.#limits.heldBytes)
      throw new DeepWatchError('overloaded', 'Too many jobs are waiting.')
    const job = new Job(newRecord(request, this.#clock.wall()), this.#clock)
    this.#unfinished++
    this.#heldBytes += request.heldBytes
    this.#shelf.put(job)
    const saved = request.awaited ? Promise.resolve() : this.#folder.save(job.record)
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

  /** The job of the same key, when its request was the same. */
  async #sameRequest(known: Job, request: JobRequest): Promise<Job> {
    if (known.record.key?.request !== request.key?.request)
      throw new DeepWatchError('idempotency_conflict', 'The Idempotency-Key was used for another request.')
    await this.#accepted.get(known)
    return known
  }

  async #run(job: Job, request: JobRequest): Promise<void> {
    await this.#runner.run(job, request)
    this.#release(request)
    job.settle()
    this.#shelf.expire()
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
    const file = await this.#folder.read(id)
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

const cancelled = () => new DeepWatchError('job_cancelled', 'The job was cancelled.')

async function* piecesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* stream
}

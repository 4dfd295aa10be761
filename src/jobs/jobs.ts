/**
 * Jobs: work that goes on without the request that asked for it, and whose answer is kept. A request with an idempotency
 * key is one too, which its own request waits for. What a job does, and what its answer looks like, the door hands in.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { DeepWatchError } from '../errors.ts'
import { createGate } from '../flow.ts'
import { type JobKind, type JobState, jobStates } from '../schemas/index.ts'
import type { Work } from '../work.ts'
import { type Answer, isWhole } from './answer.ts'
import type { JobsFolder } from './folder.ts'
import { type Clock, Job, realClock } from './job.ts'
import { failureOf, isOver, type JobRecord, newRecord } from './record.ts'
import { createShelf, type ShelfLimits } from './shelf.ts'

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

/** A request that becomes a job, or waits for one. */
export interface JobRequest {
  readonly kind: JobKind
  readonly model: string
  readonly owner: string | null
  readonly requestId: string
  /** Digests of the idempotency key and of the request; null without a key. */
  readonly key: { readonly id: string; readonly request: string } | null
  /** Its own request waits for it: it takes its turn among requests, not among jobs. */
  readonly awaited: boolean
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

export interface Jobs {
  /** Whether another one would be refused now. */
  readonly saturated: boolean
  /**
   * Accepts a request, durably unless it is awaited, and begins when its turn comes; or finds the job of an equal request
   * with the same key. `request.dispose` is called when nothing of it is needed any more, also when this throws.
   * Errors: `idempotency_conflict`, `overloaded`, `shutting_down`, `storage_full`, `storage_error`.
   */
  submit(request: JobRequest): Promise<{ job: Job; isNew: boolean }>
  find(id: string): Job | undefined
  /** Newest first. */
  list(): Job[]
  /** Of a job that succeeded. Errors: what it failed with, `job_not_finished`, `job_cancelled`, `job_interrupted`, `storage_error`. */
  result(job: Job): Promise<Answer>
  /** Cancels what is not over, and returns when nothing of its work is left; forgets what is, result and all. */
  remove(job: Job): Promise<void>
  counts(): Record<JobState, number>
  /** What waits becomes `interrupted` at once, what runs after `ms`; returns when all are over. */
  drain(ms: number): Promise<void>
  close(): void
}

/** Loads what an earlier process left: what it had not finished is `interrupted`. */
export async function openJobs({ folder, limits, log, clock = realClock }: JobsParts): Promise<Jobs> {
  const shelf = createShelf(folder, limits, clock)
  const accepted = new WeakMap<Job, Promise<void>>()
  const gate = createGate(limits.running, Number.POSITIVE_INFINITY)
  let unfinished = 0
  let heldBytes = 0
  let draining = false

  const { records, damaged } = await folder.load(limits.keepMs)
  if (damaged.length > 0) log.warn({ files: damaged.slice(0, 10), count: damaged.length }, 'stored jobs cannot be used')
  for (const record of records) await restore(record)
  shelf.expire()
  const sweeper = setInterval(shelf.expire, Math.min(limits.keepMs, 60_000)).unref()

  async function restore(record: JobRecord): Promise<void> {
    const finishedAt = clock.wall()
    const kept: JobRecord = isOver(record.state)
      ? record
      : { ...record, state: 'interrupted', finishedAt, rowsPerSecond: 0, key: null }
    // What cannot be written now is found unfinished, and is interrupted, the next time too.
    if (kept !== record) await folder.save(kept).catch((err) => log.warn({ err }, 'stored jobs cannot be used'))
    const job = new Job(kept, clock)
    const age = Math.min(Math.max(clock.wall() - kept.finishedAt!, 0), limits.keepMs)
    job.keepFor(limits.keepMs - age)
    shelf.put(job)
  }

  async function submit(request: JobRequest): Promise<{ job: Job; isNew: boolean }> {
    try {
      if (draining) throw new DeepWatchError('shutting_down', 'The service takes no more jobs.')
      shelf.expire()
      const known = request.key && shelf.ofKey(request.key.id)
      if (known) {
        await request.dispose()
        return { job: await equal(known, request), isNew: false }
      }
      if (isSaturated() || heldBytes + request.heldBytes > limits.heldBytes)
        throw new DeepWatchError('overloaded', 'Too many jobs are waiting.')
      const job = new Job(newRecord(request, clock.wall()), clock)
      unfinished++
      heldBytes += request.heldBytes
      shelf.put(job)
      const saved = request.awaited ? Promise.resolve() : folder.save(job.record)
      accepted.set(job, saved)
      try {
        await saved
      } catch (error) {
        unfinished--
        heldBytes -= request.heldBytes
        void shelf.forget(job)
        throw error
      }
      void live(job, request)
      return { job, isNew: true }
    } catch (error) {
      await request.dispose()
      throw error
    }
  }

  /** The job of the same key, when its request was the same. */
  async function equal(known: Job, request: JobRequest): Promise<Job> {
    if (known.record.key?.request !== request.key?.request)
      throw new DeepWatchError('idempotency_conflict', 'The Idempotency-Key was used for another request.')
    await accepted.get(known)
    return known
  }

  /** A job from its acceptance to its end; never rejects. */
  async function live(job: Job, request: JobRequest): Promise<void> {
    const end = await (request.awaited ? work(job, request) : gate.run(() => work(job, request), job.signal)).catch(
      (error: unknown) => endOf(job, request, error),
    )
    await request.dispose()
    await finish(job, end)
    unfinished--
    heldBytes -= request.heldBytes
    job.settle()
    shelf.expire()
  }

  /** Does the work and keeps its answer. */
  async function work(job: Job, request: JobRequest): Promise<Partial<JobRecord>> {
    job.become({ state: 'running', startedAt: clock.wall() })
    if (!request.awaited) await folder.save(job.record)
    const answer = await produce(job, request)
    try {
      const { status, type, headers } = answer
      const isCommitted = isWhole(answer) && answer.isCommitted
      const bytes = await folder.receive(job.id, answer.pieces, (bytes) => {
        if (!isCommitted) job.signal.throwIfAborted()
        shelf.makeRoom(job, bytes)
      })
      const { rowsDone, rowsTotal } = job.record
      const result = { status, type, headers: { ...headers }, bytes }
      return { state: 'succeeded', rowsDone: rowsTotal ?? rowsDone, result }
    } finally {
      if (!isWhole(answer)) await answer.close()
    }
  }

  async function produce(job: Job, request: JobRequest): Promise<Answer> {
    const { signal, progress } = job
    for (;;) {
      try {
        return await request.produce({ signal, progress, log: request.log })
      } catch (error) {
        const isFull = error instanceof DeepWatchError && error.code === 'overloaded'
        if (!isFull || request.awaited || signal.aborted) throw error
        // It was accepted: it waits until there is room.
        job.become({ stage: 'waiting', rowsDone: 0, rowsTotal: null, rowsPerSecond: 0 })
        await delay(retryMs, undefined, { signal }).catch(() => signal.throwIfAborted())
      }
    }
  }

  /** What a job ends as that did not succeed. */
  function endOf(job: Job, request: JobRequest, error: unknown): Partial<JobRecord> {
    const reason: unknown = job.signal.reason
    if (reason instanceof DeepWatchError)
      return { state: reason.code === 'job_cancelled' ? 'cancelled' : 'interrupted', key: null }
    const { code, message: detail, facts, status } = request.explain(error)
    // What failed on our side may succeed the next time: the key is free again.
    const key = status < 500 ? job.record.key : null
    return { state: 'failed', key, failure: { code, detail, facts } }
  }

  /** Makes an end durable, then known. An end that cannot be written is a failure. */
  async function finish(job: Job, end: Partial<JobRecord>): Promise<void> {
    const over = { ...job.record, ...end, finishedAt: clock.wall() }
    try {
      await folder.save(over)
    } catch (error) {
      const { code, message: detail, facts } = error as DeepWatchError
      log.warn({ err: error, requestId: job.record.requestId }, 'the end of a job could not be written')
      if (over.result) await folder.remove(job.id)
      Object.assign(over, { state: 'failed', result: null, key: null, failure: { code, detail, facts } })
    }
    const { key } = job.record
    if (key && !over.key) shelf.freeKey(key.id)
    job.keepFor(limits.keepMs)
    job.become(over)
    // Forgotten in the order in which they ended.
    shelf.put(job)
    shelf.grown(job)
  }

  function isSaturated(): boolean {
    return unfinished >= limits.running + limits.queue
  }

  return {
    get saturated() {
      return isSaturated()
    },
    submit,
    find(id) {
      shelf.expire()
      return shelf.find(id)
    },
    list() {
      shelf.expire()
      return shelf
        .all()
        .reverse()
        .sort((a, b) => b.record.createdAt - a.record.createdAt)
    },
    async result(job) {
      const { state, result } = job.record
      const failure = failureOf(job.record)
      if (failure) throw failure
      if (state === 'cancelled') throw cancelled()
      if (state === 'interrupted') throw interrupted()
      if (!result) throw new DeepWatchError('job_not_finished', 'The job is not over yet.')
      const file = await folder.read(job.id)
      return { ...result, pieces: piecesOf(file), close: async () => {} }
    },
    async remove(job) {
      if (job.isOver) return shelf.forget(job)
      job.abort(cancelled())
      await job.settled
    },
    counts() {
      shelf.expire()
      const counts = Object.fromEntries(jobStates.map((state) => [state, 0])) as Record<JobState, number>
      for (const { record } of shelf.all()) counts[record.state]++
      return counts
    },
    async drain(ms) {
      draining = true
      const all = shelf.all().filter((job) => !job.isOver)
      for (const job of all) if (job.record.state === 'queued') job.abort(interrupted())
      const timer = setTimeout(() => {
        for (const job of all) job.abort(interrupted())
      }, ms)
      await Promise.all(all.map((job) => job.settled))
      clearTimeout(timer)
    },
    close: () => clearInterval(sweeper),
  }
}

const retryMs = 500
const cancelled = () => new DeepWatchError('job_cancelled', 'The job was cancelled.')
const interrupted = () => new DeepWatchError('job_interrupted', 'The service stopped before the job was over.')

async function* piecesOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* stream
}

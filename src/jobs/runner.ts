/** One job from its acceptance to its end: its turn, its work, its result and its last record. */
import { setTimeout as delay } from 'node:timers/promises'
import { DeepWatchError } from '../errors.ts'
import { createGate, type Gate } from '../flow.ts'
import type { JobKind } from '../schemas/index.ts'
import type { Work } from '../work.ts'
import { type Answer, isWhole } from './answer.ts'
import type { JobsFolder } from './folder.ts'
import type { Clock, Job } from './job.ts'
import type { JobRecord } from './record.ts'
import type { Shelf } from './shelf.ts'

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

interface RunnerParts {
  readonly folder: JobsFolder
  readonly shelf: Shelf
  readonly limits: { readonly running: number; readonly keepMs: number }
  readonly log: { warn(facts: object, message: string): void }
  readonly clock: Clock
}

/** After a refusal for want of room. */
const retryMs = 500

export class JobRunner {
  readonly #parts: RunnerParts
  readonly #gate: Gate

  constructor(parts: RunnerParts) {
    this.#parts = parts
    this.#gate = createGate(parts.limits.running, Number.POSITIVE_INFINITY)
  }

  /** Runs a job when its turn comes, and makes its end durable and known. Never rejects. */
  async run(job: Job, request: JobRequest): Promise<void> {
    const work = () => this.#work(job, request)
    const end = await (request.awaited ? work() : this.#gate.run(work, job.signal)).catch((error: unknown) =>
      endOf(job, request, error),
    )
    await request.dispose()
    await this.#finish(job, end)
  }

  /** Does the work and stores its answer. */
  async #work(job: Job, request: JobRequest): Promise<Partial<JobRecord>> {
    const { folder, shelf, clock } = this.#parts
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

  /** An end that cannot be written is a failure. */
  async #finish(job: Job, end: Partial<JobRecord>): Promise<void> {
    const { folder, shelf, limits, log, clock } = this.#parts
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
    // Jobs are forgotten in the order in which they ended.
    shelf.put(job)
    shelf.grown(job)
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

/** How a job ends that did not succeed. */
function endOf(job: Job, request: JobRequest, error: unknown): Partial<JobRecord> {
  const reason: unknown = job.signal.reason
  if (reason instanceof DeepWatchError)
    return { state: reason.code === 'job_cancelled' ? 'cancelled' : 'interrupted', key: null }
  const { code, message: detail, facts, status } = request.explain(error)
  // What failed on our side may succeed the next time, with the same key.
  const key = status < 500 ? job.record.key : null
  return { state: 'failed', key, failure: { code, detail, facts } }
}

export const interrupted = () => new DeepWatchError('job_interrupted', 'The service stopped before the job was over.')

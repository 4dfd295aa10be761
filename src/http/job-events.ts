/** A job as a client sees it, who may see it, and its events: the document whenever it changes, to so many listeners. */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { DeepWatchError } from '../errors.ts'
import { failureOf, follow, type Heard, isOver, type Job, type JobRecord } from '../jobs/index.ts'
import type { JobDocument } from '../schemas/index.ts'
import { problemOf } from './problem.ts'

/** Milliseconds between two events of progress at least, and between two signs of life at most. */
const paceMs = 250
const beatMs = 15_000
/** The id of the last event: whoever comes back with it has heard everything. */
const lastId = 'end'
/** Milliseconds a stop waits for last events to leave. */
const lastWordsMs = 500

export type Listeners = ReturnType<typeof createListeners>

/** Counts those who listen to jobs: at most `max` at a time. */
export function createListeners(max: number) {
  const listening = new Set<FastifyReply>()
  let onNone: (() => void) | undefined
  return {
    /** Sends the events of a job until it is over. Throws `overloaded` when too many listen. */
    listen(job: Job, request: FastifyRequest, reply: FastifyReply): FastifyReply {
      const given = request.headers['last-event-id']
      // Browsers come back by themselves when a stream ends; this tells them not to.
      if (job.isOver && given === lastId) return reply.code(204).send()
      if (listening.size >= max) throw new DeepWatchError('overloaded', 'Too many listeners already.')
      listening.add(reply)
      const { signal } = request.work
      const leave = () => {
        if (listening.delete(reply) && listening.size === 0) onNone?.()
      }
      reply.raw.once('close', leave)
      signal.addEventListener('abort', leave, { once: true })
      // A number from before a restart may be any: who comes back to a job that is over hears at least its end.
      const number = /^\d{1,9}$/.test(String(given)) ? Number(given) : Number.POSITIVE_INFINITY
      const from = number <= job.newest.number - (job.isOver ? 1 : 0) ? number : null
      const events = eventsOf(job, follow(job, { from, paceMs, beatMs, signal }))
      return reply
        .type('text/event-stream')
        .header('x-accel-buffering', 'no')
        .send(Readable.from(events, { objectMode: false, highWaterMark: 4096 }))
    },
    /** Resolves when nobody listens any more, or after a moment: a stop is not held up by those who do not take. */
    ended: () =>
      new Promise<void>((resolve) => {
        if (listening.size === 0) return resolve()
        onNone = resolve
        setTimeout(resolve, lastWordsMs)
      }),
  }
}

async function* eventsOf(job: Job, heard: AsyncGenerator<Heard>): AsyncGenerator<string> {
  for await (const moment of heard) {
    if (moment === null) yield ': still there\n\n'
    else {
      const id = isOver(moment.record.state) ? lastId : moment.number
      yield `id: ${id}\nevent: job\ndata: ${JSON.stringify(describeJob(job, moment.record))}\n\n`
    }
  }
}

/** The document of a job, now or as it was at a moment. */
export function describeJob(job: Job, record: JobRecord = job.record): JobDocument {
  const { rowsTotal, rowsDone, rowsPerSecond, state } = record
  const failure = failureOf(record)
  const left = rowsTotal === null ? null : Math.max(0, rowsTotal - rowsDone)
  return {
    id: record.id,
    kind: record.kind,
    model: record.model,
    state,
    stage: record.stage,
    rowsDone,
    rowsTotal,
    rowsPerSecond: Math.round(rowsPerSecond * 10) / 10,
    secondsLeft:
      state !== 'running' || left === null || rowsPerSecond === 0 ? null : Math.round((left / rowsPerSecond) * 10) / 10,
    createdAt: time(record.createdAt)!,
    startedAt: time(record.startedAt),
    finishedAt: time(record.finishedAt),
    expiresAt: isOver(state) ? time(job.expires?.wall ?? null) : null,
    problem: failure && problemOf(failure, record.requestId),
    events: `/jobs/${record.id}/events`,
    result: state === 'succeeded' ? `/jobs/${record.id}/result` : null,
  }
}

const time = (milliseconds: number | null) => (milliseconds === null ? null : new Date(milliseconds).toISOString())

/** Jobs belong to the name of their token; whoever may do the same work under it may see them, and `admin` sees all. */
export function maySee({ caller }: FastifyRequest, { kind, owner }: JobRecord): boolean {
  if (caller === null || caller.scopes.has('admin')) return true
  return owner === caller.name && caller.scopes.has(kind === 'train' ? 'train' : 'score')
}

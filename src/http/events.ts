/** Server-sent events: a job's document whenever it changes, to a bounded number of listeners. */
import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { DeepWatchError } from '../errors.ts'
import { follow, type Heard, isOver, type Job } from '../jobs/index.ts'
import { describeJob } from './job-document.ts'

/** Progress is told so often at most, and a sign of life so often at least, in milliseconds. */
const paceMs = 250
const beatMs = 15_000
/** The id of the last event: whoever comes back with it has heard everything. */
const lastId = 'end'
/** What a stop waits for last events to leave. */
const lastWordsMs = 500

export interface Listeners {
  /** Sends the events of a job until it is over. Throws `overloaded` when too many listen. */
  listen(job: Job, request: FastifyRequest, reply: FastifyReply): FastifyReply
  /** Resolves when nobody listens any more, or after a moment: a stop is not held up by those who do not take. */
  ended(): Promise<void>
}

export function createListeners(max: number): Listeners {
  let count = 0
  let onNone: (() => void) | undefined
  return {
    listen(job, request, reply) {
      const given = request.headers['last-event-id']
      // Browsers come back by themselves when a stream ends; this tells them not to.
      if (job.isOver && given === lastId) return reply.code(204).send()
      if (count >= max) throw new DeepWatchError('overloaded', 'Too many listeners already.')
      count++
      let isHere = true
      const leave = () => {
        if (!isHere) return
        isHere = false
        if (--count === 0) onNone?.()
      }
      reply.raw.once('close', leave)
      request.abort.signal.addEventListener('abort', leave, { once: true })
      // A number from before a restart may be any: who comes back to a job that is over hears at least its end.
      const number = /^\d{1,9}$/.test(String(given)) ? Number(given) : Number.POSITIVE_INFINITY
      const from = number <= job.newest.number - (job.isOver ? 1 : 0) ? number : null
      const events = eventsOf(job, follow(job, { from, paceMs, beatMs, signal: request.abort.signal }))
      return reply
        .code(200)
        .type('text/event-stream')
        .header('x-accel-buffering', 'no')
        .send(Readable.from(events, { objectMode: false, highWaterMark: 4096 }))
    },
    ended: () =>
      new Promise((resolve) => {
        if (count === 0) return resolve()
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

/** The end of a client that did not wait for its answer. */
import type { FastifyInstance, FastifyRequest } from 'fastify'
import type { Work } from '../work.ts'

declare module 'fastify' {
  interface FastifyRequest {
    departure: Departure
    /** Aborts when the client is gone before it has its answer. */
    readonly gone: AbortSignal
  }
}

/** Whether a client is gone, and why; who wants to be told gets a signal, which is not made before. */
export class Departure {
  #controller: AbortController | undefined
  reason: Error | undefined

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.reason) this.#controller.abort(this.reason)
    }
    return this.#controller.signal
  }

  leave(reason: Error): void {
    this.reason = reason
    this.#controller?.abort(reason)
  }
}

/** Gives requests their `gone`. Whoever watches connections sets `departure`. */
export function decorateDepartures(app: FastifyInstance): void {
  app.decorateRequest('departure', null as unknown as Departure)
  app.decorateRequest('gone', {
    getter(this: FastifyRequest) {
      return this.departure.signal
    },
  })
}

/** The work that a request waits for. */
export const workOf = (request: FastifyRequest): Work => new RequestWork(request)

/**
 * A class, as V8 makes a dictionary of what is written down with a getter again and again, and puts the getters into old memory: the
 * request they belong to then lay about until all memory was collected, and was moved twice on the way.
 */
class RequestWork implements Work {
  readonly #request: FastifyRequest
  readonly log: Work['log']

  constructor(request: FastifyRequest) {
    this.#request = request
    this.log = request.log
  }

  get signal(): AbortSignal {
    return this.#request.gone
  }

  givenUp(): unknown {
    return this.#request.departure.reason
  }
}

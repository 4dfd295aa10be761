/** The end of a request whose client did not wait for the answer. */
import type { FastifyRequest } from 'fastify'
import type { Work } from '../work.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether the client is gone before it has its answer. */
    abort: RequestAbort
  }
}

/** Whether a request was aborted, and why. The signal is made when somebody first asks for it. */
export class RequestAbort {
  #controller: AbortController | undefined
  reason: Error | undefined

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.reason) this.#controller.abort(this.reason)
    }
    return this.#controller.signal
  }

  abort(reason: Error): void {
    this.reason = reason
    this.#controller?.abort(reason)
  }
}

/** The work that a request waits for. */
export const workOf = (request: FastifyRequest): Work => new RequestWork(request)

/** A class: an object literal with a getter, made again and again, is a dictionary that V8 keeps long, and the request with it. */
class RequestWork implements Work {
  readonly #abort: RequestAbort
  readonly log: Work['log']

  constructor({ abort, log }: FastifyRequest) {
    this.#abort = abort
    this.log = log
  }

  get signal(): AbortSignal {
    return this.#abort.signal
  }

  givenUp(): unknown {
    return this.#abort.reason
  }
}

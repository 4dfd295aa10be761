/** The work that a request waits for, and its end when the client does not wait for the answer. */
import type { Work } from '../work.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Given up when the client is gone before it has its answer. */
    work: RequestWork
  }
}

/**
 * The work of a request. The signal is made when somebody first asks for it. A class: an object literal with a getter, made again
 * and again, is a dictionary that V8 keeps long, and the request with it.
 */
export class RequestWork implements Work {
  readonly log: Work['log']
  #controller: AbortController | undefined
  #reason: Error | undefined

  constructor(log: Work['log']) {
    this.log = log
  }

  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController()
      if (this.#reason) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  givenUp(): unknown {
    return this.#reason
  }

  abort(reason: Error): void {
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}

/** The log of one request: its lines carry the request's id. Most requests write one line, for which no logger has to be made. */
import type { FastifyBaseLogger } from 'fastify'

type Bindings = Record<string, unknown>
type ChildOptions = Parameters<FastifyBaseLogger['child']>[1]
type Level = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
type Write = (facts: unknown, ...rest: unknown[]) => void

/**
 * A logger that writes the lines of `parent.child(bindings, options)`, and makes that child only for what it cannot write
 * itself: texts and errors without facts, a level or serializers of its own, children of the child.
 */
export class RequestLog {
  readonly #parent: FastifyBaseLogger
  readonly #bindings: Bindings
  #made: FastifyBaseLogger | undefined

  constructor(parent: FastifyBaseLogger, bindings: Bindings, options: ChildOptions = {}) {
    this.#parent = parent
    this.#bindings = bindings
    for (const _ in options) this.#made ??= parent.child(bindings, options)
  }

  get #child(): FastifyBaseLogger {
    this.#made ??= this.#parent.child(this.#bindings)
    return this.#made
  }

  #write(level: Level, facts: unknown, rest: unknown[]): void {
    const isPlain = typeof facts === 'object' && facts !== null && !(facts instanceof Error)
    if (this.#made || !isPlain) (this.#child[level] as Write)(facts, ...rest)
    // What is bound comes first, as a child would have it.
    else (this.#parent[level] as Write)({ ...this.#bindings, ...facts }, ...rest)
  }

  trace(facts: unknown, ...rest: unknown[]): void {
    this.#write('trace', facts, rest)
  }

  debug(facts: unknown, ...rest: unknown[]): void {
    this.#write('debug', facts, rest)
  }

  info(facts: unknown, ...rest: unknown[]): void {
    this.#write('info', facts, rest)
  }

  warn(facts: unknown, ...rest: unknown[]): void {
    this.#write('warn', facts, rest)
  }

  error(facts: unknown, ...rest: unknown[]): void {
    this.#write('error', facts, rest)
  }

  fatal(facts: unknown, ...rest: unknown[]): void {
    this.#write('fatal', facts, rest)
  }

  silent(): void {}

  child(bindings: Bindings, options?: ChildOptions): FastifyBaseLogger {
    return this.#child.child(bindings, options)
  }

  get level(): string {
    return this.#child.level
  }

  set level(level: string) {
    this.#child.level = level
  }
}

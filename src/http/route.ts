/** How a route is declared: where it is, who may call it, how it describes itself, and what answers. */
import type { FastifyContextConfig, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import type { Operation } from './operation.ts'

/** A request to an address with these parts: `AddressedRequest<'name'>` for `/models/:name`. */
export type AddressedRequest<Part extends string> = FastifyRequest<{ Params: Readonly<Record<Part, string>> }>

export interface Route<Part extends string> extends FastifyContextConfig {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly url: string
  readonly operation: Operation
  /** False where `HEAD` would do the work of `GET`. */
  readonly exposeHeadRoute?: boolean
  handler(request: AddressedRequest<Part>, reply: FastifyReply): unknown
}

/** The route as Fastify takes it. */
export function route<Part extends string = never>(declared: Route<Part>): RouteOptions {
  const { method, url, exposeHeadRoute = true, handler, ...config } = declared
  return { method, url, exposeHeadRoute, config, handler: handler as RouteOptions['handler'] }
}

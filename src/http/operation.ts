/** How a route is declared and describes itself: the OpenAPI document is made of these, and nothing else. */
import type { FastifyContextConfig, FastifyReply, FastifyRequest, RouteOptions } from 'fastify'
import { z } from 'zod'
import { DeepWatchError, type ErrorCode } from '../errors.ts'
import { describeIssue, settingsError } from '../schemas/index.ts'

/** One media type of a body or an answer. Without a schema it is bytes. */
export interface Content {
  readonly schema?: z.ZodType
  readonly example?: unknown
}

export interface Answer {
  readonly description: string
  readonly content?: Readonly<Record<string, Content>>
  readonly headers?: Readonly<Record<string, string>>
}

export interface Field {
  readonly description: string
  readonly example: string
}

export interface Operation {
  readonly id: string
  readonly summary: string
  readonly description?: string
  readonly tag: 'models' | 'telemetry' | 'jobs' | 'service'
  readonly headers?: Readonly<Record<string, Field>>
  /** Every member is a query parameter; objects and lists are given as JSON text. */
  readonly query?: z.ZodObject
  readonly body?: Readonly<Record<string, Content>>
  readonly answers: Readonly<Record<number, Answer>>
  /** What can go wrong here, beside what can go wrong everywhere. */
  readonly errors: readonly ErrorCode[]
}

declare module 'fastify' {
  interface FastifyContextConfig {
    operation?: Operation
    /** A setting may name the form, so that `Accept` alone refuses nothing: the route does, when neither names one. */
    formIsASetting?: boolean
  }
}

/** An answer in JSON. */
export const answerInJson = (description: string, schema: z.ZodType, example: unknown): Answer => ({
  description,
  content: { 'application/json': { schema, example } },
})

/** A request to an address with these parts: `AddressedRequest<'name'>` for `/models/:name`. */
export type AddressedRequest<Part extends string> = FastifyRequest<{ Params: Readonly<Record<Part, string>> }>

interface Route<Part extends string> extends FastifyContextConfig {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  readonly url: string
  readonly operation: Operation
  /** False where `HEAD` would do the work of `GET`. */
  readonly exposeHeadRoute?: boolean
  handler(request: AddressedRequest<Part>, reply: FastifyReply): unknown
}

const noQuery = z.strictObject({})

/** The route as Fastify takes it. Where the operation names no query, one is refused; health takes any. */
export function route<Part extends string = never>(declared: Route<Part>): RouteOptions {
  const { method, url, exposeHeadRoute = true, handler, ...config } = declared
  const refusesQuery = config.scope !== 'public' && !config.operation.query
  return {
    method,
    url,
    exposeHeadRoute,
    config,
    handler(request, reply) {
      if (refusesQuery) readQuery(noQuery, request)
      return handler(request as AddressedRequest<Part>, reply)
    },
  }
}

/** Checks a query against a schema; an unknown key and a bad value are `validation_failed`, a repeated key `duplicate_key`. */
export function readQuery<S extends z.ZodObject>(schema: S, request: Pick<FastifyRequest, 'query'>): z.infer<S> {
  for (const [key, value] of Object.entries(request.query as Record<string, unknown>)) {
    if (Array.isArray(value))
      throw new DeepWatchError('duplicate_key', `The query gives ${JSON.stringify(key.slice(0, 100))} more than once.`)
  }
  const parsed = schema.safeParse(request.query, { error: describeIssue })
  if (parsed.success) return parsed.data
  throw settingsError(parsed.error, schema)
}

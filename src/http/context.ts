/** What every route may reach: the running service, through one typed decorator, and its own request's end. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import type { Metrics } from '../observe/index.ts'
import { describeIssue, settingsError } from '../schemas/index.ts'
import type { Service } from '../service.ts'
import type { Listeners } from './events.ts'
import { type Intake, type IntakeParts, takeIn } from './intake.ts'

/** The doors' view of the house. */
interface Context {
  /** The running service; `starting` before it runs, `shutting_down` when it is about to end. */
  service(): Service
  readonly metrics: Metrics
  readonly listeners: Listeners
  readonly config: IntakeParts['config']
  /** What readiness says. */
  state(): 'starting' | 'ready' | 'draining'
}

declare module 'fastify' {
  interface FastifyInstance {
    deepwatch: Context
  }
}

/** Checks a query against a schema; an unknown key and a bad value are `validation_failed`, a repeated key `duplicate_key`. */
export function readQuery<S extends z.ZodObject>(schema: S, request: FastifyRequest): z.infer<S> {
  for (const [key, value] of Object.entries(request.query as Record<string, unknown>)) {
    if (Array.isArray(value))
      throw new DeepWatchError('duplicate_key', `The query gives ${JSON.stringify(key.slice(0, 100))} more than once.`)
  }
  const parsed = schema.safeParse(request.query, { error: describeIssue })
  if (parsed.success) return parsed.data
  throw settingsError(parsed.error)
}

/** A query that takes nothing. */
export const noQuery = z.strictObject({})

/** Takes in a `POST`, hands it to `work`, and disposes of a spooled upload whatever happens. */
export async function withIntake<S extends z.ZodObject, Result>(
  app: FastifyInstance,
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (intake: Intake<z.infer<S>>) => Promise<Result>,
): Promise<Result> {
  const { service, config } = app.deepwatch
  const { sources } = service()
  const intake = await takeIn({ sources, config }, schema, request, reply)
  try {
    return await work(intake)
  } finally {
    await intake.upload?.dispose()
  }
}

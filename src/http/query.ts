/** Settings in the query of a request that has no body. */
import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { describeIssue, settingsError } from '../schemas/index.ts'

/** Checks a query against a schema; an unknown key and a bad value are `validation_failed`, a repeated key `duplicate_key`. */
export function readQuery<S extends z.ZodObject>(schema: S, request: Pick<FastifyRequest, 'query'>): z.infer<S> {
  for (const [key, value] of Object.entries(request.query as Record<string, unknown>)) {
    if (Array.isArray(value))
      throw new DeepWatchError('duplicate_key', `The query gives ${JSON.stringify(key.slice(0, 100))} more than once.`)
  }
  const parsed = schema.safeParse(request.query, { error: describeIssue })
  if (parsed.success) return parsed.data
  throw settingsError(parsed.error)
}

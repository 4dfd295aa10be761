/** The settings of a `POST`: from its query and from a JSON body or a part of a form. */
import type { FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { mergeSettings } from '../schemas/index.ts'

type Members = Record<string, unknown>

/** Settings of the query and the body together. Errors: those of `mergeSettings`. */
export function settingsOf<S extends z.ZodObject>(schema: S, { query }: FastifyRequest, body: Members): z.infer<S> {
  return mergeSettings(schema, query as Record<string, string | string[]>, body)
}

/** The same beside an upload, which is the only source then: another one is `validation_failed`. */
export function settingsOfUpload<S extends z.ZodObject>(schema: S, request: FastifyRequest, body: Members): z.infer<S> {
  const settings = settingsOf(schema, request, body)
  for (const key of ['rows', 'source']) {
    if (settings[key] !== undefined)
      throw new DeepWatchError('validation_failed', `${key}: the upload is the source; there can be only one.`)
  }
  return settings
}

/** A parsed body, which must be an object; `what` names it in the error `validation_failed`. */
export function asMembers(value: unknown, what: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DeepWatchError('validation_failed', `${what} must be an object.`)
  return value as Members
}

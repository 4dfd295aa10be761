/** Settings may stand in the query, the JSON body or the multipart part `config`; here they become one. */
import { isDeepStrictEqual } from 'node:util'
import type { ZodError, z } from 'zod'
import { DeepWatchError } from '../errors.ts'

/** Reads JSON text strictly; handed in because the words of the house know no parser. */
export type ReadJson = (text: Buffer) => unknown

/**
 * Merges the settings of a query with those of a body and checks them against `schema`.
 *
 * In a query a value is taken as it stands where the schema takes it, and as JSON text otherwise.
 * Throws `duplicate_key` for a repeated query key, `conflicting_parameter` where query and body give
 * different values, `invalid_id` for a text that cannot be a model, and `validation_failed` otherwise.
 */
export function mergeSettings<S extends z.ZodObject>(
  schema: S,
  query: Readonly<Record<string, string | string[]>>,
  body: Readonly<Record<string, unknown>>,
  readJson: ReadJson,
): z.infer<S> {
  const merged: Record<string, unknown> = { ...body }
  for (const [key, text] of Object.entries(query)) {
    if (Array.isArray(text))
      throw new DeepWatchError('duplicate_key', `The query gives ${quoteKey(key)} more than once.`)
    const value = readQueryValue(schema, key, text, readJson)
    if (Object.hasOwn(merged, key) && !isDeepStrictEqual(merged[key], value)) {
      throw new DeepWatchError(
        'conflicting_parameter',
        `The query and the body give different values for ${quoteKey(key)}.`,
        { facts: { parameter: key.slice(0, 100) } },
      )
    }
    merged[key] = value
  }
  const parsed = schema.safeParse(merged)
  if (parsed.success) return parsed.data
  if (typeof merged['model'] === 'string' && parsed.error.issues.some((issue) => issue.path[0] === 'model')) {
    throw new DeepWatchError(
      'invalid_id',
      'model: a name is up to 63 of a-z, 0-9, _ and -, and starts with a letter or digit.',
    )
  }
  throw settingsError(parsed.error)
}

function readQueryValue(schema: z.ZodObject, key: string, text: string, readJson: ReadJson): unknown {
  const shape: Record<string, z.ZodType> = schema.shape
  const member = Object.hasOwn(shape, key) ? shape[key] : undefined
  if (!member || member.safeParse(text).success) return text
  try {
    return readJson(Buffer.from(text))
  } catch (error) {
    if (error instanceof DeepWatchError && error.code === 'malformed_json') return text
    throw error
  }
}

const quoteKey = (key: string) => JSON.stringify(key.slice(0, 100))

/** `validation_failed` naming each setting that is wrong, at most ten. */
export function settingsError(error: ZodError): DeepWatchError {
  const issues = error.issues.slice(0, 10).map((issue) => {
    const at = issue.path.map(String).join('.')
    if (issue.code === 'unrecognized_keys')
      return { at: [at, ...issue.keys.slice(0, 5)].filter(Boolean).join('.'), message: 'is not a setting here' }
    return { at, message: issue.message }
  })
  const [first] = issues
  const detail = first ? `${first.at.slice(0, 200) || 'The body'}: ${first.message}` : 'A setting is not valid.'
  return new DeepWatchError('validation_failed', detail, { facts: { issues } })
}

/**
 * What every `POST` takes in: settings from the query, a JSON body or a multipart part, and at most one
 * uploaded source, spooled to disk. A route gets checked settings and something readable.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { formatOfMediaType } from '../formats/index.ts'
import { parseBody, parseJson, SmallBatch } from '../json/index.ts'
import type { Sources } from '../sources/index.ts'
import { askForBody, hasBody, isReceived, readBody } from './body.ts'
import type { Intake } from './intake-result.ts'
import { type MediaType, parseMediaType } from './media-type.ts'
import { takeMultipart } from './multipart.ts'
import { asMembers, settingsOf, settingsOfUpload } from './settings.ts'
import { watchBody } from './slow-body.ts'

/**
 * Reads a request to its end.
 *
 * Errors: `malformed_json`, `duplicate_key`, `malformed_multipart`, `missing_file`, `too_many_parts`,
 * `body_too_large`, `too_many_rows`, `request_timeout`, `incomplete_body`, `unsupported_media_type`, those
 * of `mergeSettings` and of `Sources.fromUpload`.
 */
export function takeIn<S extends z.ZodObject>(
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Intake<z.infer<S>>> {
  const { sources } = request.server.deepwatch.service()
  return inTime(request, (type) =>
    type?.essence === 'multipart/form-data'
      ? takeMultipart(sources, schema, request, reply, type)
      : (takeJson(schema, request, reply, type) ?? takeUpload(sources, schema, request, reply)),
  )
}

/** Reads a request that takes settings and no telemetry. Errors: those of JSON in `takeIn`. */
export async function takeSettings<S extends z.ZodObject>(
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<z.infer<S>> {
  const taken = await inTime(request, (type) => takeJson(schema, request, reply, type))
  if (!taken) throw new DeepWatchError('unsupported_media_type', 'Settings are taken as application/json.')
  return taken.settings
}

/** Takes in a `POST`, hands it to `work`, and disposes of a spooled upload whatever happens. */
export async function withIntake<S extends z.ZodObject, Result>(
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
  work: (intake: Intake<z.infer<S>>) => Promise<Result>,
): Promise<Result> {
  const intake = await takeIn(schema, request, reply)
  try {
    return await work(intake)
  } finally {
    await intake.upload?.dispose()
  }
}

/** Has a body read by its media type, and fails with `request_timeout` when it comes too slowly. */
async function inTime<Result>(
  request: FastifyRequest,
  read: (type: MediaType | null) => Result | Promise<Result>,
): Promise<Result> {
  const { headers, raw, server } = request
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    throw new DeepWatchError('unsupported_media_type', 'A body with a Content-Encoding is not taken here.')
  const type = parseMediaType(headers['content-type'])
  // What came with the head is handed over in this turn, after the head: mostly the whole body.
  if (!isReceived(request)) await undefined
  if (isReceived(request)) return read(type)
  const watch = watchBody(raw, server.deepwatch.config)
  try {
    return await Promise.race([read(type), watch.failed])
  } finally {
    watch.stop()
  }
}

/** Settings from the query and a JSON body or none at all, at once where that is received; null for a body that is something else. */
function takeJson<S extends z.ZodObject>(
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
  type: MediaType | null,
): Intake<z.infer<S>> | Promise<Intake<z.infer<S>>> | null {
  if (!hasBody(request) && type === null)
    return { settings: settingsOf(schema, request, {}), upload: null, heldBytes: 0 }
  if (type?.essence !== 'application/json') return null
  requireUtf8(type)
  const { DEEPWATCH_JSON_BYTES, DEEPWATCH_JSON_ROWS } = request.server.deepwatch.config
  const read = readBody(request, reply, DEEPWATCH_JSON_BYTES)
  const queriesRows = (request.query as Record<string, unknown>)['rows'] !== undefined
  const accept = (text: Buffer): Intake<z.infer<S>> => {
    const body = asMembers(queriesRows ? parseJson(text) : parseBody(text), 'The JSON body')
    boundRows(body['rows'], DEEPWATCH_JSON_ROWS)
    return { settings: settingsOf(schema, request, body), upload: null, heldBytes: text.length }
  }
  return read instanceof Promise ? read.then(accept) : accept(read)
}

/** A body that is the source itself. */
async function takeUpload<S extends z.ZodObject>(
  sources: Sources,
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Intake<z.infer<S>>> {
  const { headers, raw, abort } = request
  // Type and settings are checked before a byte of the upload is kept: they cannot come later.
  const mediaType = headers['content-type'] ?? null
  if (mediaType !== null) formatOfMediaType(mediaType)
  const settings = settingsOfUpload(schema, request, {})
  askForBody(request, reply)
  const digest = headers['content-digest']
  const contentDigest = Array.isArray(digest) ? digest.join(', ') : (digest ?? null)
  const upload = await sources.fromUpload(raw, { mediaType, contentDigest, signal: abort.signal })
  return { settings, upload, heldBytes: 0 }
}

function requireUtf8(type: MediaType): void {
  const charset = type.parameters.get('charset')?.toLowerCase()
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8')
    throw new DeepWatchError('unsupported_media_type', 'JSON is taken in UTF-8 alone.')
}

function boundRows(rows: unknown, limit: number): void {
  if ((Array.isArray(rows) || rows instanceof SmallBatch) && rows.length > limit) {
    throw new DeepWatchError('too_many_rows', `A JSON body takes ${limit} rows; send Parquet for more.`, {
      facts: { limit, rows: rows.length },
    })
  }
}

/**
 * The way in of every `POST`: settings from the query, a JSON body or a multipart part, and at most one
 * uploaded source, spooled to disk. What a route gets is checked settings and something readable.
 */
import type { Readable } from 'node:stream'
import type { MultipartFile } from '@fastify/multipart'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import type { Config } from '../config.ts'
import { DeepWatchError } from '../errors.ts'
import { formatOfMediaType } from '../formats/index.ts'
import { parseBody, parseJson, SmallBatch } from '../json/index.ts'
import { mergeSettings } from '../schemas/index.ts'
import type { Source, Sources } from '../sources/index.ts'
import { type MediaType, parseMediaType } from './media-type.ts'

/** What was taken in. `upload` is spooled and belongs to the caller, who disposes of it. */
export interface Intake<S> {
  readonly settings: S
  readonly upload: Source | null
  /** Bytes of the JSON body, rows and all: they stay in memory as long as the settings do. */
  readonly heldBytes: number
}

export interface IntakeParts {
  readonly sources: Sources
  readonly config: Pick<
    Config,
    'DEEPWATCH_JSON_BYTES' | 'DEEPWATCH_JSON_ROWS' | 'DEEPWATCH_BODY_STALL_MS' | 'DEEPWATCH_BODY_MIN_RATE'
  >
}

const configBytes = 1024 * 1024
const readJson = (bytes: Buffer) => parseJson(bytes)

/**
 * Reads a request to its end.
 *
 * Errors: `malformed_json`, `duplicate_key`, `malformed_multipart`, `missing_file`, `too_many_parts`,
 * `body_too_large`, `too_many_rows`, `request_timeout`, `incomplete_body`, `unsupported_media_type`, those
 * of `mergeSettings` and of `Sources.fromUpload`.
 */
export function takeIn<S extends z.ZodObject>(
  parts: IntakeParts,
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Intake<z.infer<S>>> {
  return take(parts.config, request, reply, (door) => {
    if (door.type?.essence === 'multipart/form-data') return takeMultipart(parts, schema, door, door.type)
    return takeJson(parts.config, schema, door) ?? takeUpload(parts, schema, door)
  })
}

/** Reads a request that takes settings and no telemetry. Errors: those of JSON in `takeIn`. */
export async function takeSettings<S extends z.ZodObject>(
  config: IntakeParts['config'],
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<z.infer<S>> {
  const taken = await take(config, request, reply, (door) => takeJson(config, schema, door))
  if (!taken) throw new DeepWatchError('unsupported_media_type', 'Settings are taken as application/json.')
  return taken.settings
}

/** A request whose body has not been touched. */
interface Door {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly type: MediaType | null
  readonly query: Record<string, string | string[]>
}

/** Asks for the body where the client waits for that; called when nothing is left that could refuse it unread. */
function open({ request, reply }: Door): void {
  if (request.headers.expect !== undefined) reply.raw.writeContinue()
}

async function take<Result>(
  config: IntakeParts['config'],
  request: FastifyRequest,
  reply: FastifyReply,
  work: (door: Door) => Result | Promise<Result>,
): Promise<Result> {
  const { headers } = request
  const encoding = headers['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw new DeepWatchError('unsupported_media_type', 'A body with a Content-Encoding is not taken here.')
  }
  const type = parseMediaType(headers['content-type'])
  const door: Door = { request, reply, type, query: request.query as Door['query'] }
  // What came with the head is handed over in this turn, after the head: mostly the whole body.
  if (!isHere(request)) await undefined
  if (isHere(request)) return work(door)
  const watch = watchBody(request.raw, config)
  try {
    return await Promise.race([work(door), watch.failed])
  } finally {
    watch.stop()
  }
}

/** Settings from the query and a JSON body or none at all, at once where that is here already; null for a body that is something else. */
function takeJson<S extends z.ZodObject>(
  config: IntakeParts['config'],
  schema: S,
  door: Door,
): Intake<z.infer<S>> | Promise<Intake<z.infer<S>>> | null {
  const { request, type, query } = door
  if (!hasBody(request) && type === null)
    return { settings: mergeSettings(schema, query, {}, readJson), upload: null, heldBytes: 0 }
  if (type?.essence !== 'application/json') return null
  requireUtf8(type)
  const read = readBody(request.raw, config.DEEPWATCH_JSON_BYTES, announced(request), door)
  const accept = (text: Buffer): Intake<z.infer<S>> => {
    const body = asSettings(query['rows'] === undefined ? parseBody(text) : parseJson(text), 'The JSON body')
    boundRows(body['rows'], config.DEEPWATCH_JSON_ROWS)
    return { settings: mergeSettings(schema, query, body, readJson), upload: null, heldBytes: text.length }
  }
  return read instanceof Promise ? read.then(accept) : accept(read)
}

/** A body that is the source itself. */
async function takeUpload<S extends z.ZodObject>(
  parts: IntakeParts,
  schema: S,
  door: Door,
): Promise<Intake<z.infer<S>>> {
  const { request, query } = door
  // Type and settings are checked before a byte of the upload is kept: they cannot come later.
  const mediaType = request.headers['content-type'] ?? null
  if (mediaType !== null) formatOfMediaType(mediaType)
  const settings = mergeSettings(schema, query, {}, readJson)
  refuseSecondSource(settings)
  open(door)
  const contentDigest = single(request.headers['content-digest'])
  const upload = await parts.sources.fromUpload(request.raw, { mediaType, contentDigest, signal: request.gone })
  return { settings, upload, heldBytes: 0 }
}

async function takeMultipart<S extends z.ZodObject>(
  parts: IntakeParts,
  schema: S,
  door: Door,
  type: MediaType,
): Promise<Intake<z.infer<S>>> {
  const { request, query } = door
  const boundary = type.parameters.get('boundary') ?? ''
  if (!/^[0-9A-Za-z'()+_,./:=?-]{1,70}$/.test(boundary)) {
    throw new DeepWatchError(
      'malformed_multipart',
      'The boundary is missing, longer than 70 characters or not made of boundary characters.',
    )
  }
  open(door)
  let body: Record<string, unknown> = {}
  let settings: z.infer<S> | null = null
  let upload: Source | null = null
  try {
    for await (const part of request.files()) {
      if (upload)
        throw new DeepWatchError(
          'malformed_multipart',
          'Nothing may follow the part file: one file, and config before it.',
        )
      if (part.fieldname === 'file') {
        settings = mergeSettings(schema, query, body, readJson)
        refuseSecondSource(settings)
        upload = await spoolPart(parts, part, request.gone)
      } else if (part.fieldname === 'config' && settings === null && Object.keys(body).length === 0) {
        body = asSettings(parseJson(await readConfig(part)), 'The part config')
        if (Object.hasOwn(body, 'rows'))
          throw new DeepWatchError(
            'validation_failed',
            'rows: a part config takes settings; telemetry comes in the part file.',
          )
      } else throw new DeepWatchError('malformed_multipart', 'The parts are config, once and first, and file, once.')
    }
    if (!settings || !upload) throw new DeepWatchError('missing_file', 'The body needs a part called file.')
    return { settings, upload, heldBytes: 0 }
  } catch (error) {
    await upload?.dispose()
    throw multipartError(error)
  }
}

async function readConfig({ file }: MultipartFile): Promise<Buffer> {
  const bytes = await readBody(file, configBytes, null)
  if (file.truncated) throw new DeepWatchError('body_too_large', 'The part config is larger than an upload may be.')
  return bytes
}

function spoolPart(parts: IntakeParts, { file, mimetype }: MultipartFile, signal: AbortSignal): Promise<Source> {
  // Busboy says text/plain where a part names no type; curl says application/octet-stream.
  const mediaType = mimetype === 'text/plain' || mimetype === '' ? null : mimetype
  if (mediaType !== null) formatOfMediaType(mediaType)
  return parts.sources.fromUpload(file, { mediaType, signal })
}

function multipartError(error: unknown): unknown {
  if (error instanceof DeepWatchError) return error
  const code = String((error as { code?: unknown } | null)?.code ?? '')
  if (/^FST_(PARTS|FILES)_LIMIT$/.test(code))
    return new DeepWatchError('too_many_parts', 'The body has too many parts.', { cause: error })
  if (code === 'FST_REQ_FILE_TOO_LARGE')
    return new DeepWatchError('body_too_large', 'The file is larger than the limit.', { cause: error })
  if (code.startsWith('E')) return error
  return error instanceof Error && error.name !== 'ZodError'
    ? new DeepWatchError('malformed_multipart', 'The multipart body is not complete or not well formed.', {
        cause: error,
      })
    : error
}

/**
 * Reads a stream that must not be longer than `limit` bytes, at once where it is here already. `expected` is its announced length, or null;
 * `door` is opened when that is no reason to refuse it.
 */
function readBody(
  stream: Readable,
  limit: number,
  expected: number | null,
  door: Door | null = null,
): Buffer | Promise<Buffer> {
  if (expected !== null && expected > limit) throw tooLarge(limit)
  if (door) open(door)
  // Small bodies mostly come with their head and are here already.
  if (expected !== null && expected > 0 && stream.readableLength === expected) return stream.read() as Buffer
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (action: () => void) => {
      stream.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
      action()
    }
    const onData = (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size <= limit) return
      stream.pause()
      settle(() => reject(tooLarge(limit)))
    }
    const onEnd = () => settle(() => resolve(chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks)))
    const onCut = () =>
      settle(() => reject(new DeepWatchError('incomplete_body', 'The body ended before it was complete.')))
    stream.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
  })
}

const tooLarge = (limit: number) =>
  new DeepWatchError('body_too_large', `The body is larger than ${limit} bytes.`, { facts: { limit } })

/** Fails with `request_timeout` when nothing comes for the stall time, or too little over the whole. */
function watchBody(
  stream: FastifyRequest['raw'],
  config: IntakeParts['config'],
): { failed: Promise<never>; stop: () => void } {
  const started = performance.now()
  const before = stream.socket.bytesRead
  let seen = before
  let seenAt = started
  let timer: NodeJS.Timeout | undefined
  const failed = new Promise<never>((_, reject) => {
    timer = setInterval(
      () => {
        const now = performance.now()
        const bytes = stream.socket.bytesRead
        if (bytes > seen) [seen, seenAt] = [bytes, now]
        if (stream.complete || stream.readableEnded) return
        const slow =
          now - started > config.DEEPWATCH_BODY_STALL_MS &&
          ((bytes - before) * 1000) / (now - started) < config.DEEPWATCH_BODY_MIN_RATE
        if (slow || now - seenAt > config.DEEPWATCH_BODY_STALL_MS)
          reject(new DeepWatchError('request_timeout', 'The body came too slowly.'))
      },
      Math.min(1000, config.DEEPWATCH_BODY_STALL_MS / 2),
    )
  })
  failed.catch(() => {})
  return { failed, stop: () => clearInterval(timer) }
}

/** Whether nothing of the body is still to come. Node calls a request complete a moment after its last bytes. */
const isHere = (request: FastifyRequest): boolean =>
  request.raw.complete || request.raw.readableLength === announced(request)

/** Whether there is a body, as far as its announcement says. */
export const hasBody = (request: FastifyRequest): boolean =>
  request.headers['transfer-encoding'] !== undefined || (announced(request) ?? 0) > 0

function announced(request: FastifyRequest): number | null {
  const field = request.headers['content-length']
  return field === undefined ? null : Number(field)
}

const single = (field: string | string[] | undefined) => (Array.isArray(field) ? field.join(', ') : (field ?? null))

function requireUtf8(type: MediaType): void {
  const charset = type.parameters.get('charset')?.toLowerCase()
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8')
    throw new DeepWatchError('unsupported_media_type', 'JSON is taken in UTF-8 alone.')
}

function asSettings(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DeepWatchError('validation_failed', `${what} must be an object.`)
  return value as Record<string, unknown>
}

function boundRows(rows: unknown, limit: number): void {
  if ((Array.isArray(rows) || rows instanceof SmallBatch) && rows.length > limit) {
    throw new DeepWatchError('too_many_rows', `A JSON body takes ${limit} rows; send Parquet for more.`, {
      facts: { limit, rows: rows.length },
    })
  }
}

function refuseSecondSource(settings: Readonly<Record<string, unknown>>): void {
  for (const key of ['rows', 'source']) {
    if (settings[key] !== undefined)
      throw new DeepWatchError('validation_failed', `${key}: the upload is the source; there can be only one.`)
  }
}

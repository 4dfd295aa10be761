/** What every `POST` takes in: checked settings, and at most one uploaded source, spooled to disk. */
import type { MultipartFile } from '@fastify/multipart'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { formatOfMediaType } from '../formats/index.ts'
import { parseBody, parseJson, SmallBatch } from '../json/index.ts'
import type { Packing } from '../packing/index.ts'
import { mergeSettings } from '../schemas/index.ts'
import type { Source, Sources } from '../sources/index.ts'
import { askForBody, hasBody, isReceived, readBody, readWhole, watchBody } from './body.ts'
import { encodingOf, refusePacked, unpackBody } from './content-encoding.ts'
import { type MediaType, parseMediaType } from './media-type.ts'

/** Checked settings and at most one upload, which is spooled and belongs to the caller, who disposes of it. */
export interface Intake<S> {
  readonly settings: S
  readonly upload: Source | null
  /** Bytes of the JSON body, rows and all: they stay in memory as long as the settings do. */
  readonly heldBytes: number
}

type Members = Record<string, unknown>

const configBytes = 1024 * 1024

/** What is taken in, and how its settings are checked. */
interface Asked<S> {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly sources: Sources
  /** Settings of the query and of a body together. Errors: those of `mergeSettings`. */
  readonly check: (body: Members) => S
  /** What the body is packed with. */
  readonly encoding: Packing | null
}

function asked<S extends z.ZodObject>(schema: S, request: FastifyRequest, reply: FastifyReply): Asked<z.infer<S>> {
  const { sources } = request.server.deepwatch.service()
  const query = request.query as Record<string, string | string[]>
  const check = (body: Members) => mergeSettings(schema, query, body)
  return { request, reply, sources, check, encoding: encodingOf(request) }
}

/**
 * Reads a request to its end. Errors: those of JSON, of multipart forms, of slow, large and incomplete bodies, of
 * `mergeSettings` and of `Sources.fromUpload`; `unsupported_media_type`.
 */
export function takeIn<S extends z.ZodObject>(
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<Intake<z.infer<S>>> {
  const what = asked(schema, request, reply)
  return inTime(request, (type) =>
    type?.essence === 'multipart/form-data' ? takeMultipart(what, type) : (takeJson(what, type) ?? takeUpload(what)),
  )
}

/** Reads a request that takes settings and no telemetry. Errors: those of JSON in `takeIn`. */
export async function takeSettings<S extends z.ZodObject>(
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<z.infer<S>> {
  const what = asked(schema, request, reply)
  refusePacked(what.encoding, 'Send the settings as they are.')
  const intake = await inTime(request, (type) => takeJson(what, type))
  if (!intake) throw new DeepWatchError('unsupported_media_type', 'Settings are taken as application/json.')
  return intake.settings
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
function takeJson<S>(
  { request, reply, check, encoding }: Asked<S>,
  type: MediaType | null,
): Intake<S> | Promise<Intake<S>> | null {
  if (!hasBody(request) && type === null) return { settings: check({}), upload: null, heldBytes: 0 }
  if (type?.essence !== 'application/json') return null
  const charset = type.parameters.get('charset')?.toLowerCase()
  if (charset !== undefined && charset !== 'utf-8' && charset !== 'utf8')
    throw new DeepWatchError('unsupported_media_type', 'JSON is taken in UTF-8 alone.')
  const { DEEPWATCH_JSON_BYTES, DEEPWATCH_JSON_ROWS } = request.server.deepwatch.config
  const read = readBody(request, reply, DEEPWATCH_JSON_BYTES)
  const queriesRows = (request.query as Record<string, unknown>)['rows'] !== undefined
  const accept = (text: Buffer): Intake<S> => {
    const body = asMembers(queriesRows ? parseJson(text) : parseBody(text), 'The JSON body')
    boundRows(body['rows'], DEEPWATCH_JSON_ROWS)
    return { settings: check(body), upload: null, heldBytes: text.length }
  }
  if (encoding === null) return read instanceof Promise ? read.then(accept) : accept(read)
  return Promise.resolve(read)
    .then((packed) => unpackBody(encoding, packed, DEEPWATCH_JSON_BYTES))
    .then(accept)
}

async function takeUpload<S>({ request, reply, sources, check, encoding }: Asked<S>): Promise<Intake<S>> {
  const { headers, raw, work } = request
  // Type and settings are checked before a byte of the upload is kept: they cannot come later.
  const mediaType = headers['content-type'] ?? null
  if (mediaType !== null) formatOfMediaType(mediaType)
  const settings = settingsOfUpload(check({}))
  askForBody(request, reply)
  const digest = headers['content-digest']
  const contentDigest = Array.isArray(digest) ? digest.join(', ') : (digest ?? null)
  const upload = await sources.fromUpload(raw, { mediaType, encoding, contentDigest, signal: work.signal })
  return { settings, upload, heldBytes: 0 }
}

function boundRows(rows: unknown, limit: number): void {
  if ((Array.isArray(rows) || rows instanceof SmallBatch) && rows.length > limit) {
    throw new DeepWatchError('too_many_rows', `A JSON body takes ${limit} rows; send Parquet for more.`, {
      facts: { limit, rows: rows.length },
    })
  }
}

/** Settings and an upload as a form: a part `config` that may be missing, and a part `file`. */
async function takeMultipart<S>(
  { request, reply, sources, check, encoding }: Asked<S>,
  type: MediaType,
): Promise<Intake<S>> {
  refusePacked(encoding, 'Pack the file of the form instead.')
  if (!/^[0-9A-Za-z'()+_,./:=?-]{1,70}$/.test(type.parameters.get('boundary') ?? ''))
    throw malformed('The boundary is missing, longer than 70 characters or not made of boundary characters.')
  askForBody(request, reply)
  let config: Members | null = null
  let taken: Intake<S> | null = null
  try {
    for await (const part of request.files()) {
      if (taken) throw malformed('Nothing may follow the part file: one file, and config before it.')
      if (part.fieldname === 'file') {
        const settings = settingsOfUpload(check(config ?? {}))
        taken = { settings, upload: await spoolPart(sources, part, request), heldBytes: 0 }
      } else if (part.fieldname === 'config' && !config) config = await readConfig(part)
      else throw malformed('The parts are config, once and first, and file, once.')
    }
    if (!taken) throw new DeepWatchError('missing_file', 'The body needs a part called file.')
    return taken
  } catch (error) {
    await taken?.upload?.dispose()
    throw multipartError(error)
  }
}

async function readConfig({ file }: MultipartFile): Promise<Members> {
  const bytes = await readWhole(file, configBytes)
  if (file.truncated) throw new DeepWatchError('body_too_large', 'The part config is larger than an upload may be.')
  const config = asMembers(parseJson(bytes), 'The part config')
  if (Object.hasOwn(config, 'rows'))
    throw new DeepWatchError(
      'validation_failed',
      'rows: a part config takes settings; telemetry comes in the part file.',
    )
  return config
}

function spoolPart(sources: Sources, { file, mimetype }: MultipartFile, { work }: FastifyRequest): Promise<Source> {
  // Busboy says text/plain where a part names no type; curl says application/octet-stream.
  const mediaType = mimetype === 'text/plain' || mimetype === '' ? null : mimetype
  if (mediaType !== null) formatOfMediaType(mediaType)
  return sources.fromUpload(file, { mediaType, signal: work.signal })
}

const malformed = (detail: string, cause?: unknown) => new DeepWatchError('malformed_multipart', detail, { cause })

function multipartError(error: unknown): unknown {
  if (error instanceof DeepWatchError) return error
  const code = String((error as { code?: unknown } | null)?.code ?? '')
  if (/^FST_(PARTS|FILES)_LIMIT$/.test(code))
    return new DeepWatchError('too_many_parts', 'The body has too many parts.', { cause: error })
  if (code === 'FST_REQ_FILE_TOO_LARGE')
    return new DeepWatchError('body_too_large', 'The file is larger than the limit.', { cause: error })
  // What the disk refuses, and what is wrong with a setting, is no matter of the form.
  if (code.startsWith('E') || !(error instanceof Error) || error.name === 'ZodError') return error
  return malformed('The multipart body is not complete or not well formed.', error)
}

/** Settings beside an upload, which is the only source then: another one is `validation_failed`. */
function settingsOfUpload<S>(settings: S): S {
  for (const key of ['rows', 'source'] as const) {
    if ((settings as Members)[key] !== undefined)
      throw new DeepWatchError('validation_failed', `${key}: the upload is the source; there can be only one.`)
  }
  return settings
}

/** A parsed body, which must be an object; `what` names it in the error `validation_failed`. */
function asMembers(value: unknown, what: string): Members {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new DeepWatchError('validation_failed', `${what} must be an object.`)
  return value as Members
}

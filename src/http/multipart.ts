/** Settings and an upload as a form: a part `config` that may be missing, and a part `file`. */
import type { MultipartFile } from '@fastify/multipart'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { formatOfMediaType } from '../formats/index.ts'
import { parseJson } from '../json/index.ts'
import type { Source, Sources } from '../sources/index.ts'
import { askForBody, readWhole } from './body.ts'
import type { Intake } from './intake-result.ts'
import type { MediaType } from './media-type.ts'
import { asMembers, settingsOfUpload } from './settings.ts'

const configBytes = 1024 * 1024

/**
 * Reads a form to its end. The upload is spooled and belongs to the caller. Errors: `malformed_multipart`, `missing_file`,
 * `too_many_parts`, and those of settings, of JSON and of `Sources.fromUpload`.
 */
export async function takeMultipart<S extends z.ZodObject>(
  sources: Sources,
  schema: S,
  request: FastifyRequest,
  reply: FastifyReply,
  type: MediaType,
): Promise<Intake<z.infer<S>>> {
  if (!/^[0-9A-Za-z'()+_,./:=?-]{1,70}$/.test(type.parameters.get('boundary') ?? ''))
    throw malformed('The boundary is missing, longer than 70 characters or not made of boundary characters.')
  askForBody(request, reply)
  let config: Record<string, unknown> | null = null
  let taken: Intake<z.infer<S>> | null = null
  try {
    for await (const part of request.files()) {
      if (taken) throw malformed('Nothing may follow the part file: one file, and config before it.')
      if (part.fieldname === 'file') {
        const settings = settingsOfUpload(schema, request, config ?? {})
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

async function readConfig({ file }: MultipartFile): Promise<Record<string, unknown>> {
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

function spoolPart(sources: Sources, { file, mimetype }: MultipartFile, { abort }: FastifyRequest): Promise<Source> {
  // Busboy says text/plain where a part names no type; curl says application/octet-stream.
  const mediaType = mimetype === 'text/plain' || mimetype === '' ? null : mimetype
  if (mediaType !== null) formatOfMediaType(mediaType)
  return sources.fromUpload(file, { mediaType, signal: abort.signal })
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

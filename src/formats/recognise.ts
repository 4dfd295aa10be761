import { DeepWatchError } from '../errors.ts'
import type { Format, Sample } from './format.ts'
import { formats, parquet } from './formats.ts'
import { nameStranger } from './strangers.ts'

/**
 * The format of an uploaded body. Without a declared type, or with `application/octet-stream`, the content alone
 * decides; a specific type must be known and must agree with the content.
 *
 * Throws `unsupported_media_type`, `format_mismatch`, `unknown_format`, `not_parquet`, `parquet_encrypted`.
 */
export function recognise(sample: Sample, declared: string | null): Format {
  const expected = declared === null ? null : formatOfMediaType(declared)
  const found = formats.find((format) => format.matches(sample)) ?? null
  if (expected !== null && found !== null && found !== expected) {
    throw new DeepWatchError(
      'format_mismatch',
      `The body is declared as ${expected.title} but looks like ${found.title}.`,
    )
  }
  if (found === null) {
    const stranger = nameStranger(sample)
    if (stranger !== null) throw new DeepWatchError('unknown_format', stranger)
    // Not contradicted by another format: the declared format's own check has the better words.
    expected?.check?.(sample)
    throw unknown(expected)
  }
  found.check?.(sample)
  return found
}

/**
 * The format of a named file: content decides, whatever the file is called, but what calls itself Parquet must be it.
 *
 * Throws `unknown_format`, `not_parquet`, `parquet_encrypted`.
 */
export function recogniseFile(sample: Sample, name: string): Format {
  if (endsLike(name, parquet)) {
    parquet.check?.(sample)
    return parquet
  }
  return recognise(sample, null)
}

/** What the names of telemetry end in; behind it may stand what it is packed with. */
export const endings: readonly string[] = formats.flatMap(({ extensions }) => extensions)

/** Whether a file is called like telemetry. */
export const isNamedAsTelemetry = (name: string): boolean => formats.some((format) => endsLike(name, format))

/** The name a packed file has when it is unpacked. */
export const unpackedName = (name: string): string => name.replace(/\.(gz|zst)$/i, '')

function endsLike(name: string, { extensions }: Format): boolean {
  const plain = unpackedName(name).toLowerCase()
  return extensions.some((ending) => plain.endsWith(ending))
}

/** Media types that say nothing of the format. */
const byContent = ['application/octet-stream', 'application/gzip', 'application/x-gzip', 'application/zstd']

/**
 * The format a declared media type stands for; null where the content shall decide.
 * Throws `unsupported_media_type` for every type we do not read, for trailing text and for a charset that is not UTF-8.
 */
export function formatOfMediaType(declared: string): Format | null {
  const [essence = '', ...parameters] = declared.split(';').map((part) => part.trim().toLowerCase())
  for (const parameter of parameters) {
    const charset = /^charset="?([^"]*)"?$/.exec(parameter)
    if (charset !== null && !['utf-8', 'utf8', 'us-ascii'].includes(charset[1] as string)) {
      const detail = 'Text is read as UTF-8; leave the charset out of UTF-16 with a byte order mark, or convert it.'
      throw new DeepWatchError('unsupported_media_type', detail)
    }
  }
  if (byContent.includes(essence)) return null
  const format = formats.find((each) => each.mediaTypes.includes(essence))
  if (format === undefined) {
    const known = formats.map((each) => each.mediaTypes[0]).join(', ')
    throw new DeepWatchError('unsupported_media_type', `Send one of ${known}, or application/octet-stream.`)
  }
  return format
}

function unknown(expected: Format | null): DeepWatchError {
  if (expected !== null) {
    return new DeepWatchError('format_mismatch', `The body is declared as ${expected.title} but does not look like it.`)
  }
  return new DeepWatchError('unknown_format', `The content is none of ${formats.map((each) => each.title).join(', ')}.`)
}

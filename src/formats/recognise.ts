import { DeepWatchError } from '../errors.ts'
import type { Format, Sample } from './format.ts'
import { formats, isArrowFile, parquet } from './formats.ts'

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
    // Not contradicted by another format: the declared format's own check has the better words.
    expected?.check?.(sample)
    throw unknown(sample, expected)
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
  if (parquet.extensions.some((ending) => name.toLowerCase().endsWith(ending))) {
    parquet.check?.(sample)
    return parquet
  }
  return recognise(sample, null)
}

/**
 * The format a declared media type stands for; null where the content shall decide.
 * Throws `unsupported_media_type` for every type we do not read, for trailing text and for a charset that is not UTF-8.
 */
export function formatOfMediaType(declared: string): Format | null {
  const [essence = '', ...parameters] = declared.split(';').map((part) => part.trim().toLowerCase())
  for (const parameter of parameters) {
    const charset = /^charset="?([^"]*)"?$/.exec(parameter)
    if (charset !== null && !['utf-8', 'utf8', 'us-ascii'].includes(charset[1] as string)) {
      throw new DeepWatchError('unsupported_media_type', 'Text must be UTF-8.')
    }
  }
  if (essence === 'application/octet-stream') return null
  const format = formats.find((each) => each.mediaTypes.includes(essence))
  if (format === undefined) {
    const known = formats.map((each) => each.mediaTypes[0]).join(', ')
    throw new DeepWatchError('unsupported_media_type', `Send one of ${known}, or application/octet-stream.`)
  }
  return format
}

function unknown(sample: Sample, expected: Format | null): DeepWatchError {
  if (isArrowFile(sample.head)) {
    return new DeepWatchError('unknown_format', 'This is the Arrow file format; send an Arrow IPC stream.')
  }
  if (expected !== null) {
    return new DeepWatchError('format_mismatch', `The body is declared as ${expected.title} but does not look like it.`)
  }
  return new DeepWatchError('unknown_format', `The content is none of ${formats.map((each) => each.title).join(', ')}.`)
}

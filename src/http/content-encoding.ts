/** `Content-Encoding` of a request: a body may be packed on its way here. */
import type { FastifyRequest } from 'fastify'
import { DeepWatchError } from '../errors.ts'
import { type Packing, packingOf, unpackWhole } from '../packing/index.ts'

const packings: ReadonlyMap<string, Packing | null> = new Map([
  ['identity', null],
  ['gzip', 'gzip'],
  ['x-gzip', 'gzip'],
  ['zstd', 'zstd'],
] as const)

/** What a body is packed with, as its field says; null for nothing. Error: `unsupported_media_type` for anything but gzip and zstd. */
export function encodingOf({ headers }: FastifyRequest): Packing | null {
  const field = headers['content-encoding']
  if (field === undefined) return null
  const packing = packings.get(field.trim().toLowerCase())
  if (packing !== undefined) return packing
  throw new DeepWatchError('unsupported_media_type', 'A body comes as it is, or with Content-Encoding gzip or zstd.')
}

/** Refuses a packed body: `unsupported_media_type` with this advice. */
export function refusePacked(encoding: Packing | null, advice: string): void {
  if (encoding !== null)
    throw new DeepWatchError('unsupported_media_type', `No Content-Encoding is taken here. ${advice}`)
}

/** Unpacks a body to at most `limit` bytes. Errors: `format_mismatch`, `source_unreadable`, `decoded_too_large`. */
export function unpackBody(encoding: Packing, packed: Buffer, limit: number): Promise<Buffer> {
  if (packingOf(packed) === encoding) return unpackWhole(encoding, packed, limit)
  throw new DeepWatchError('format_mismatch', `The body is declared as ${encoding} but does not look like it.`)
}

import { pipeline, Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { DeepWatchError } from '../errors.ts'

/** Unpacks gzip, also several files of it end to end. Checksums are compared. Errors: `source_unreadable`, those of the chunks. */
export async function* gunzip(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const unpacker = createGunzip({ chunkSize: 256 * 1024 })
  // A failure of the chunks fails the unpacker, which is where it is met.
  pipeline(Readable.from(chunks, { objectMode: false }), unpacker, () => {})
  try {
    yield* unpacker
  } catch (cause) {
    const code = String((cause as NodeJS.ErrnoException).code)
    if (!code.startsWith('Z_')) throw cause
    const isCut = code === 'Z_BUF_ERROR'
    const detail = isCut ? 'The gzip data ends too early.' : 'The gzip data is damaged, or something else follows it.'
    throw new DeepWatchError('source_unreadable', `${detail} Pack or send it again.`, { cause })
  }
}

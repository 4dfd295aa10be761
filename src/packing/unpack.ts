import { DeepWatchError } from '../errors.ts'
import { createGate } from '../flow.ts'
import { decodeUtf16 } from './decode-utf16.ts'
import { gunzip } from './gunzip.ts'
import type { Packing } from './packing.ts'
import { unzstd } from './unzstd.ts'

type Chunks = AsyncIterable<Uint8Array>

interface Unpacker {
  readonly title: string
  readonly isCompression: boolean
  /** Errors: `source_unreadable` for what is damaged or ends too early. */
  readonly unpack: (chunks: Chunks) => AsyncGenerator<Uint8Array>
}

const unpackers: Readonly<Record<Packing, Unpacker>> = {
  gzip: { title: 'gzip', isCompression: true, unpack: gunzip },
  zstd: { title: 'Zstandard', isCompression: true, unpack: unzstd },
  'utf-16le': { title: 'UTF-16', isCompression: false, unpack: (chunks) => decodeUtf16(chunks, 'utf-16le') },
  'utf-16be': { title: 'UTF-16', isCompression: false, unpack: (chunks) => decodeUtf16(chunks, 'utf-16be') },
}

/** Zstandard takes a thread and may take 128 MiB: few files are unpacked at once, the others wait. */
const zstdGate = createGate(4, Number.POSITIVE_INFINITY)

/** What people call it. */
export const titleOf = (packing: Packing): string => unpackers[packing].title

/** Whether bytes are compressed, not only spelled otherwise. */
export const isCompression = (packing: Packing): boolean => unpackers[packing].isCompression

/**
 * Unpacks `chunks` piece by piece and hands each to `write`, at most `limit` bytes of them. Errors: `decoded_too_large`,
 * `source_unreadable` for what is damaged or ends too early, those of `write` and of the chunks, the reason of `signal`.
 */
export function unpack(
  packing: Packing,
  chunks: Chunks,
  limit: number,
  write: (piece: Uint8Array) => Promise<void> | void,
  signal?: AbortSignal,
): Promise<void> {
  const work = async () => {
    let bytes = 0
    for await (const piece of unpackers[packing].unpack(chunks)) {
      signal?.throwIfAborted()
      bytes += piece.length
      if (bytes > limit) throw tooLarge(packing, limit)
      await write(piece)
    }
  }
  return packing === 'zstd' ? zstdGate.run(work, signal) : work()
}

/** The same for bytes in memory. */
export async function unpackWhole(packing: Packing, packed: Uint8Array, limit: number): Promise<Buffer> {
  const pieces: Uint8Array[] = []
  await unpack(packing, once(packed), limit, (piece) => void pieces.push(piece))
  return Buffer.concat(pieces)
}

async function* once(packed: Uint8Array): AsyncGenerator<Uint8Array> {
  yield packed
}

function tooLarge(packing: Packing, limit: number): DeepWatchError {
  const detail = `What is packed with ${titleOf(packing)} has more than ${limit} bytes unpacked. Send it in parts.`
  return new DeepWatchError('decoded_too_large', detail, { facts: { limit } })
}

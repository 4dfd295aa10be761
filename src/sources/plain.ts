import { DeepWatchError } from '../errors.ts'
import { HEAD_BYTES, type Sample, TAIL_BYTES } from '../formats/index.ts'
import { isCompression, type Packing, packingOf, titleOf, unpack } from '../packing/index.ts'
import { openChecked } from './paths.ts'
import type { Spool, SpoolWriter } from './spool.ts'

/** A file as the reading process takes it: neither packed nor in UTF-16. */
export interface PlainFile {
  readonly path: string
  readonly sample: Sample
  /** What the file was packed with. */
  readonly packing: Packing | null
  /** Removes what was unpacked into the spool. Idempotent, never throws. */
  remove(): Promise<void>
}

/** What anything may grow to when it is unpacked, beside the bytes of an upload. */
const GROWN_BYTES = 256 * 1024 * 1024
const GROWTH = 100

/**
 * The plain form of a file: the file itself, or what it holds, unpacked into the spool. Errors: `unknown_format` for something packed
 * twice, those of `unpack`, of the spool and of `openChecked`.
 */
export async function makePlain(
  path: string,
  spool: Spool,
  maxBytes: number,
  signal: AbortSignal | undefined,
  outer: Packing | null = null,
): Promise<PlainFile> {
  const sample = await sampleOf(path)
  const packing = packingOf(sample.head)
  if (packing === null) return { path, sample, packing, remove: async () => {} }
  if (outer !== null && isCompression(packing)) {
    const detail = `This is packed twice, ${titleOf(packing)} inside ${titleOf(outer)}; unpack it once and send that.`
    throw new DeepWatchError('unknown_format', detail)
  }
  const writer = await spool.create()
  try {
    const limit = Math.min(maxBytes, Math.max(GROWN_BYTES, GROWTH * sample.bytes))
    await unpackInto(writer, path, packing, limit, signal)
    const plain = await makePlain(writer.path, spool, maxBytes, signal, packing)
    if (plain.path === writer.path) return { ...plain, packing, remove: writer.remove }
    await writer.remove()
    return { ...plain, packing }
  } catch (error) {
    await writer.remove()
    throw error
  }
}

async function unpackInto(
  writer: SpoolWriter,
  path: string,
  packing: Packing,
  limit: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const { handle } = await openChecked(path)
  try {
    await unpack(packing, handle.createReadStream({ start: 0, autoClose: false }), limit, writer.write, signal)
    await writer.finish()
  } finally {
    await handle.close()
  }
}

/** What recognition looks at. Errors: those of `openChecked`. */
async function sampleOf(path: string): Promise<Sample> {
  const { handle, identity } = await openChecked(path)
  try {
    const bytes = identity.size
    const head = Buffer.alloc(Math.min(HEAD_BYTES, bytes))
    const tail = Buffer.alloc(Math.min(TAIL_BYTES, bytes))
    const { bytesRead } = await handle.read(head, 0, head.length, 0)
    await handle.read(tail, 0, tail.length, bytes - tail.length)
    return { head: head.subarray(0, bytesRead), tail, bytes }
  } finally {
    await handle.close()
  }
}

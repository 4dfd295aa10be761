import { createHash } from 'node:crypto'
import type { FileHandle } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { shareBytes } from '../kernels/index.ts'

/**
 * The file of one model version: data only, nothing in it names code. Numbers are little-endian.
 *
 * | bytes | what |
 * |---|---|
 * | 8 | magic |
 * | 4 | format version |
 * | 4 | length of the header |
 * | ... | header: JSON, UTF-8 |
 * | 8 | length of the payload |
 * | ... | payload: the detector's own bytes |
 * | 32 | SHA-256 of everything before it |
 *
 * Magic, format version and checksum stay in these places in every later format: so a newer file is told from a damaged one.
 */

/** The format this software writes. Older ones are read for good, newer ones are refused. */
export const artefactFormat = 1

/** Lengths above these are taken for damage rather than believed. */
export const artefactLimits = { headerBytes: 64 * 1024 * 1024, payloadBytes: 1024 * 1024 * 1024 } as const

/** What an artefact holds beside the detector's bytes. */
const artefactHeader = z.looseObject({
  model: z.string(),
  version: z.int(),
  serve: z.boolean(),
  /** RFC 3339. */
  createdAt: z.string(),
  document: z.custom<unknown>((value) => typeof value === 'object' && value !== null),
})
export type ArtefactHeader = Readonly<z.infer<typeof artefactHeader>>

export interface ArtefactSource {
  readonly sizeBytes: number
  /** Fills all of `target` from `position` on; throws 'model_corrupt' when there are not enough bytes. */
  read(target: Uint8Array, position: number): Promise<void>
}

export interface Artefact {
  readonly header: ArtefactHeader
  readonly payloadBytes: number
  /** Own shared memory, exactly the payload; null when it was only verified. */
  readonly payload: SharedArrayBuffer | null
  /** The checksum, hex. */
  readonly digest: string
}

// As in PNG: a byte above 127, both line endings and Ctrl-Z show damage by text tools.
const MAGIC = Buffer.from('\x89DWM\r\n\x1a\n', 'latin1')
const FRONT_BYTES = MAGIC.length + 8
const LENGTH_BYTES = 8
const DIGEST_BYTES = 32
const MIN_BYTES = FRONT_BYTES + LENGTH_BYTES + DIGEST_BYTES
/** Read and hashed at a time: about 2 ms during which nothing else runs. */
const CHUNK_BYTES = 512 * 1024

/** The bytes in order, and their checksum (hex). Nobody may write to `payload` meanwhile. Throws 'training_too_large'. */
export async function encodeArtefact(header: ArtefactHeader, payload: Uint8Array) {
  const text = Buffer.from(JSON.stringify(header))
  if (text.length > artefactLimits.headerBytes || payload.length > artefactLimits.payloadBytes) {
    throw new DeepWatchError('training_too_large', 'The model is too large to be stored.')
  }
  const front = Buffer.alloc(FRONT_BYTES + text.length + LENGTH_BYTES)
  MAGIC.copy(front)
  front.writeUInt32LE(artefactFormat, MAGIC.length)
  front.writeUInt32LE(text.length, MAGIC.length + 4)
  text.copy(front, FRONT_BYTES)
  front.writeBigUInt64LE(BigInt(payload.length), FRONT_BYTES + text.length)
  const hash = createHash('sha256').update(front)
  for (let at = 0; at < payload.length; at += CHUNK_BYTES) {
    hash.update(payload.subarray(at, at + CHUNK_BYTES))
    await setImmediate()
  }
  const digest = hash.digest()
  return { chunks: [front, payload, digest], digest: digest.toString('hex') }
}

/**
 * Reads an artefact and checks all of it, last what the header says. With `keepPayload` the payload lands in shared memory.
 * Throws 'model_corrupt', or 'model_version_unsupported' for an undamaged file of a newer format.
 */
export async function readArtefact(source: ArtefactSource, options: { keepPayload: boolean }): Promise<Artefact> {
  const { sizeBytes } = source
  if (sizeBytes < MIN_BYTES) throw corrupt('The file is too short.')
  const hash = createHash('sha256')
  const front = Buffer.alloc(FRONT_BYTES)
  await source.read(front, 0)
  hash.update(front)
  if (!front.subarray(0, MAGIC.length).equals(MAGIC)) throw corrupt('The file does not start like a model.')
  const format = front.readUInt32LE(MAGIC.length)
  const end = sizeBytes - DIGEST_BYTES
  const hashRest = async (from: number, into: Uint8Array | null): Promise<string> => {
    const scratch = into ?? Buffer.allocUnsafe(Math.min(CHUNK_BYTES, end - from))
    for (let at = from; at < end; at += CHUNK_BYTES) {
      const offset = into === null ? 0 : at - from
      const chunk = scratch.subarray(offset, offset + Math.min(CHUNK_BYTES, end - at))
      await source.read(chunk, at)
      hash.update(chunk)
    }
    const computed = hash.digest()
    const stored = Buffer.alloc(DIGEST_BYTES)
    await source.read(stored, end)
    if (!stored.equals(computed)) throw corrupt('The checksum does not match.')
    return computed.toString('hex')
  }
  if (format > artefactFormat) {
    await hashRest(FRONT_BYTES, null)
    throw new DeepWatchError(
      'model_version_unsupported',
      `The stored model has format ${format}; this software reads up to ${artefactFormat}.`,
    )
  }
  if (format === 0) throw corrupt('The format version is not valid.')
  const headerBytes = front.readUInt32LE(MAGIC.length + 4)
  const payloadBytes = sizeBytes - MIN_BYTES - headerBytes
  if (headerBytes > artefactLimits.headerBytes || payloadBytes < 0 || payloadBytes > artefactLimits.payloadBytes) {
    throw corrupt('The lengths in the file do not fit its size.')
  }
  const head = Buffer.alloc(headerBytes + LENGTH_BYTES)
  await source.read(head, FRONT_BYTES)
  hash.update(head)
  if (head.readBigUInt64LE(headerBytes) !== BigInt(payloadBytes)) {
    throw corrupt('The lengths in the file do not fit its size.')
  }
  const payload = options.keepPayload ? shareBytes(payloadBytes) : null
  const digest = await hashRest(FRONT_BYTES + head.length, payload && new Uint8Array(payload))
  return { header: readHeader(head.toString('utf8', 0, headerBytes)), payloadBytes, payload, digest }
}

/** An open file as a source. The handle stays the caller's; a file that shrinks while it is read is 'model_corrupt'. */
export async function openSource(file: FileHandle): Promise<ArtefactSource> {
  const { size } = await file.stat()
  return {
    sizeBytes: size,
    async read(target, position) {
      for (let filled = 0; filled < target.length; ) {
        const { bytesRead } = await file.read(target, filled, target.length - filled, position + filled)
        if (bytesRead === 0) throw corrupt('The file ended early.')
        filled += bytesRead
      }
    },
  }
}

function readHeader(text: string): ArtefactHeader {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw corrupt('The header is not JSON.')
  }
  const { success, data } = artefactHeader.safeParse(value)
  if (!success) throw corrupt('The header lacks what every version has.')
  return data
}

function corrupt(detail: string): DeepWatchError {
  return new DeepWatchError('model_corrupt', `The stored model is damaged. ${detail}`)
}

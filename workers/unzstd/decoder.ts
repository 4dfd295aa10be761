import { ZSTDDecoder } from 'zstddec/stream'
import type { Unzstd } from '../../src/packing/index.ts'
import { Fault, walkFrames } from './frames.ts'

/** A decoder of one file: `push` takes packed bytes, `pull` gives unpacked ones, `end` says whether the file may end here. */
export async function createDecoder() {
  const { decode, isWhole } = await createPieceDecoder()
  let unpacked: Uint8Array[] = []
  const walk = walkFrames((piece) => unpacked.push(decode(piece)))
  let wanted = walk.next().value
  let waiting = Buffer.alloc(0)
  let at = 0

  /** Unpacks until there are `enough` bytes, or more is needed. */
  function unpack(enough: number): void {
    for (let bytes = 0; bytes < enough && waiting.length - at >= wanted.bytes; ) {
      const before = unpacked.length
      const piece = waiting.subarray(at, at + wanted.bytes)
      at += wanted.bytes
      wanted = walk.next(piece).value
      if (unpacked.length > before) bytes += unpacked.at(-1)!.length
    }
  }

  return {
    push(chunk: Uint8Array): void {
      waiting = Buffer.concat([waiting.subarray(at), chunk])
      at = 0
    },
    pull(enough: number): Unzstd {
      try {
        unpack(enough)
      } catch (error) {
        if (error instanceof Fault) return { state: error.state }
        throw error
      }
      const bytes = join(unpacked)
      unpacked = []
      return { state: waiting.length - at >= wanted.bytes ? 'more' : 'hungry', bytes }
    },
    end(): Unzstd {
      if (!wanted.mayEnd || waiting.length > at) return { state: 'cut' }
      return { state: isWhole() ? 'whole' : 'damaged' }
    },
  }
}

/**
 * Decodes piece by piece. The library does not say that it refuses bytes, it offers them again: so every piece is one that it takes
 * in one step, and a step that does not take the next piece, or the end, says that the piece before was refused.
 */
async function createPieceDecoder() {
  const library = new ZSTDDecoder()
  await library.init()
  let next: Uint8Array | null = null
  const steps = library.decodeStreaming(pieces())

  function* pieces(): Generator<Uint8Array> {
    while (next !== null) {
      const piece = next
      next = null
      yield piece
    }
  }

  return {
    /** Error: `Fault` when the piece before was refused. */
    decode(piece: Uint8Array): Uint8Array {
      next = piece
      const step = steps.next()
      if (step.done === true || next !== null) throw new Fault('damaged')
      return step.value
    },
    /** Whether every piece was taken and the last frame is complete. Nothing can be decoded afterwards. */
    isWhole(): boolean {
      try {
        return steps.next().done === true
      } catch {
        return false
      }
    },
  }
}

/** One array with memory of its own, so that it can be handed over. */
function join(pieces: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0))
  let at = 0
  for (const piece of pieces) {
    joined.set(piece, at)
    at += piece.length
  }
  return joined
}

/** Where the pieces of a Zstandard file begin and end (RFC 8878): what a decoder takes at once, and no more than 128 KiB unpacked. */

/** What is wrong with a file: bytes that are no Zstandard, a window over 128 MiB, or a piece that the decoder refuses. */
export class Fault extends Error {
  readonly state: 'damaged' | 'wide'

  constructor(state: Fault['state']) {
    super(state)
    this.state = state
  }
}

const MAGIC = 0xfd2fb528
const SKIPPABLE = 0x184d2a5
const MAX_WINDOW_LOG = 27
const SKIPPED_AT_ONCE = 65_536
/** Bytes of the fields of a header, by the two bits that say so. */
const dictionaryBytes = [0, 1, 2, 4] as const
const sizeBytes = [0, 2, 4, 8] as const

/** Asks for bytes, so many, and whether the file may end before them. */
export interface Wanted {
  readonly bytes: number
  readonly mayEnd: boolean
}

/** Walks through the frames of a file: yields what it needs, is given that, and hands every piece to `decode`. Error: `Fault`. */
export function* walkFrames(decode: (piece: Uint8Array) => void): Generator<Wanted, never, Buffer> {
  for (;;) {
    const start = yield { bytes: 5, mayEnd: true }
    const magic = start.readUInt32LE(0)
    if (magic >>> 4 === SKIPPABLE) yield* skip(start)
    else if (magic === MAGIC) yield* walkFrame(start, decode)
    else throw new Fault('damaged')
  }
}

function* skip(start: Buffer): Generator<Wanted, void, Buffer> {
  const length = Buffer.concat([start.subarray(4), yield { bytes: 3, mayEnd: false }]).readUInt32LE(0)
  for (let left = length; left > 0; ) {
    const bytes = Math.min(left, SKIPPED_AT_ONCE)
    yield { bytes, mayEnd: false }
    left -= bytes
  }
}

function* walkFrame(start: Buffer, decode: (piece: Uint8Array) => void): Generator<Wanted, void, Buffer> {
  const flags = start[4]!
  const isOneSegment = (flags & 0x20) !== 0
  const hasChecksum = (flags & 0x04) !== 0
  const size = sizeBytes[(flags >> 6) as 0 | 1 | 2 | 3] || Number(isOneSegment)
  const bytes = Number(!isOneSegment) + dictionaryBytes[(flags & 3) as 0 | 1 | 2 | 3] + size
  const rest = yield { bytes, mayEnd: false }
  if (!isOneSegment && 10 + (rest[0]! >> 3) > MAX_WINDOW_LOG) throw new Fault('wide')
  decode(Buffer.concat([start, rest]))
  for (let isLast = false; !isLast; ) {
    const head = yield { bytes: 3, mayEnd: false }
    const block = head.readUIntLE(0, 3)
    isLast = (block & 1) === 1
    // A block of one byte repeated holds that byte once.
    const isRepeated = ((block >> 1) & 3) === 1
    const length = isRepeated ? 1 : block >> 3
    const body = length === 0 ? Buffer.alloc(0) : yield { bytes: length, mayEnd: false }
    decode(Buffer.concat([head, body]))
  }
  if (hasChecksum) decode(yield { bytes: 4, mayEnd: false })
}

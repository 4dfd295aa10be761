/**
 * The engine does not count shared memory, so the collector would come too late for it. Each large piece therefore has a plain buffer
 * of the same size beside it, which lives as long and is counted. Nobody touches it: it takes addresses, and no memory.
 */
const weights = new WeakMap<SharedArrayBuffer, ArrayBufferLike>()
const minWeighed = 64 * 1024

/**
 * Shared memory whose size the garbage collector knows; zeroed.
 * @param bytes >= 0
 */
export function shareBytes(bytes: number): SharedArrayBuffer {
  const shared = new SharedArrayBuffer(bytes)
  if (bytes >= minWeighed) weights.set(shared, Buffer.allocUnsafeSlow(bytes).buffer)
  return shared
}

/** The next multiple of 8, where typed arrays of any kind can begin. */
export const padded = (bytes: number) => Math.ceil(bytes / 8) * 8

/** Copies pieces, in order, into memory that `make` gives for so many bytes; each begins at a multiple of 8. */
function layOut<Memory extends ArrayBufferLike>(pieces: readonly ArrayBufferView[], make: (bytes: number) => Memory) {
  const memory = make(pieces.reduce((sum, { byteLength }) => sum + padded(byteLength), 0))
  let at = 0
  const copies = pieces.map(({ buffer, byteOffset, byteLength }) => {
    const copy = new Uint8Array(memory, at, byteLength)
    copy.set(new Uint8Array(buffer, byteOffset, byteLength))
    at += padded(byteLength)
    return copy
  })
  return { memory, copies }
}

/** The bytes of pieces, in order; each begins at a multiple of 8, with zeros before it. */
export const packed = (pieces: readonly ArrayBufferView[]): Uint8Array<ArrayBuffer> =>
  new Uint8Array(layOut(pieces, (bytes) => new ArrayBuffer(bytes)).memory)

/** Copies of byte arrays that lie in one piece of shared memory: hundreds of them are sent to another thread as soon as one. */
export const shareTogether = (arrays: readonly Uint8Array[]): Uint8Array<SharedArrayBuffer>[] =>
  layOut(arrays, shareBytes).copies

/** Fewer values are sooner set than handed to Node. */
const minFilled = 256

/**
 * Makes a function that copies `count` doubles from index `from` of an array, in any memory, to the beginning of `target`.
 * `set` moves shared memory word by word, as another thread may write there; filling a buffer with as many bytes as it has room for is
 * faster.
 * @param target not shared; `count` is at most its length
 */
export function copierInto(
  target: Float64Array<ArrayBuffer>,
): (source: Float64Array<ArrayBufferLike>, from: number, count: number) => void {
  const bytes = Buffer.from(target.buffer, target.byteOffset, target.byteLength)
  return (source, from, count) => {
    if (count < minFilled) target.set(source.subarray(from, from + count))
    else bytes.fill(new Uint8Array(source.buffer, source.byteOffset + 8 * from, 8 * count), 0, 8 * count)
  }
}

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

/** Where each of many byte arrays begins among the others: typed arrays of any kind can lie there. */
const alignment = 8

/**
 * Copies of byte arrays, in order, that lie in one piece of shared memory: hundreds of them are sent to another thread as soon as one.
 * Each begins at a multiple of 8.
 */
export function shareTogether(arrays: readonly Uint8Array[]): Uint8Array<SharedArrayBuffer>[] {
  const lengthOf = ({ length }: Uint8Array) => Math.ceil(length / alignment) * alignment
  const shared = shareBytes(arrays.reduce((sum, array) => sum + lengthOf(array), 0))
  let at = 0
  return arrays.map((array) => {
    const copy = new Uint8Array(shared, at, array.length)
    copy.set(array)
    at += lengthOf(array)
    return copy
  })
}

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

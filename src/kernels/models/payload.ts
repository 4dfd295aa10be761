import { packed } from '../index.ts'

/**
 * The bytes of a model that is a list of numbers, little-endian: eight 32-bit words (magic, format version, and six of
 * the model's own), then float64 values.
 */
const headerBytes = 32

/** Six numbers of a model's own, each an integer 0..2^32-1. */
export type Words = readonly [number, number, number, number, number, number]

/** Bytes of a model with so many values. */
export const numbersBytes = (values: number) => headerBytes + 8 * values

/** Puts words and parts, in order, into bytes. */
export const encodeNumbers = (magic: number, version: number, words: Words, parts: readonly Float64Array[]) =>
  packed([Uint32Array.of(magic, version, ...words), ...parts])

export type Numbers = ReturnType<typeof decodeNumbers>

/**
 * Reads such bytes; every value that is handed out is finite.
 *
 * @param bytes may lie over shared memory; where its offset allows, values are views of it, else of a copy
 * @throws RangeError when the head is another one, or there are too few values
 */
export function decodeNumbers(bytes: Uint8Array, magic: number, version: number) {
  if (bytes.byteLength < headerBytes || bytes.byteLength % 8 !== 0)
    throw new RangeError('the model has the wrong length')
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const [first, second, ...words] = new Uint32Array(aligned.buffer, aligned.byteOffset, 8)
  if (first !== magic || second !== version) throw new RangeError('this is another kind of model, or another format')
  const values = new Float64Array(aligned.buffer, aligned.byteOffset + headerBytes, aligned.byteLength / 8 - 4)
  let at = 0
  return {
    words: words as unknown as Words,
    /** The following `count` values, a view. */
    next(count: number): Float64Array {
      if (at + count > values.length) throw new RangeError('the model is too short')
      const part = values.subarray(at, at + count)
      for (const value of part) if (!Number.isFinite(value)) throw new RangeError('a number is not finite')
      at += count
      return part
    },
    /** @throws RangeError when values are left */
    end(): void {
      if (at !== values.length) throw new RangeError('the model is too long')
    },
  }
}

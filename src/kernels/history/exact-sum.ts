/**
 * A sum of doubles without rounding, of which values can be taken out again: after any run of additions and removals it
 * is a function of what is in it, and of nothing that was in it before. Every double is an integer multiple of 2^-1074; the
 * sum is held in chunks of 32 bits (the small superaccumulator of Neal 2015), and because a chunk has room for 2^21
 * addends no carry is ever needed.
 */

const WORD = 2 ** 32
/** Values a sum may hold at once. */
export const maxAddends = 2 ** 20
/** A mantissa lies over three chunks. */
const SPAN = 3
const CHUNKS = 2 ** (11 - 5) + SPAN
const MANTISSA = 1_075

const asNumber = new Float64Array(1)
const asWords = new Uint32Array(asNumber.buffer)
const shifts = Float64Array.from({ length: 32 }, (_, bits) => 2 ** bits)
/** A sum of doubles can be beyond them, and its square all the more: it can be read scaled down by this. */
export const scale = 2 ** -540
/** Worth of one unit in each chunk, as it is and scaled down. What a double cannot tell from 0 is 0. */
const worths = [0, -540].map((exponent) =>
  Float64Array.from({ length: CHUNKS }, (_, chunk) => 2 ** Math.min(1023, 32 * chunk - MANTISSA + exponent)),
) as [Float64Array, Float64Array]

export class ExactSum {
  /** The sum rounded to a double, after `read`; Infinity where it is too large for one. */
  high = 0
  /** What the rounding left over, after `read`. */
  rest = 0
  /** Index of the first chunk that is held; those below and above are 0. */
  private first = 0
  private chunks = new Float64Array(0)

  clear(): void {
    this.chunks.fill(0)
  }

  /** Rounds the sum, or the sum times `scale`, into `high` and `rest`. */
  read(isScaled = false): void {
    const { chunks, first } = this
    const worth = worths[isScaled ? 1 : 0] as Float64Array
    let high = 0
    let rest = 0
    for (let at = chunks.length - 1; at >= 0; at--) {
      const part = chunks[at]! * worth[first + at]!
      const sum = high + part
      const shift = sum - high
      rest += high - (sum - shift) + (part - shift)
      high = sum
    }
    this.high = high + rest
    this.rest = high - this.high + rest
  }

  /** Adds a finite double (1) or takes one out that was added (-1). */
  add(value: number, sign: 1 | -1 = 1): void {
    if (value === 0) return
    asNumber[0] = value
    const top = asWords[1]!
    const biased = (top >>> 20) & 0x7ff
    const exponent = biased === 0 ? 1 : biased
    const mantissa = ((top & 0xfffff) + (biased === 0 ? 0 : 0x100000)) * WORD + asWords[0]!
    const shifted = mantissa * shifts[exponent & 31]!
    const upper = Math.floor(shifted / (WORD * WORD))
    const lower = shifted - upper * (WORD * WORD)
    const middle = Math.floor(lower / WORD)
    const signed = top >>> 31 === 1 ? -sign : sign
    const at = this.place(exponent >>> 5)
    const { chunks } = this
    chunks[at]! += signed * (lower - middle * WORD)
    chunks[at + 1]! += signed * middle
    chunks[at + 2]! += signed * upper
  }

  /** Where a chunk lies, with the two above it; makes room for them. */
  private place(chunk: number): number {
    const { first, chunks } = this
    if (chunk >= first && chunk + SPAN <= first + chunks.length) return chunk - first
    const from = chunks.length === 0 ? chunk : Math.min(first, chunk)
    const to = Math.max(chunks.length === 0 ? 0 : first + chunks.length, chunk + SPAN)
    const grown = new Float64Array(to - from)
    grown.set(chunks, chunks.length === 0 ? 0 : first - from)
    this.first = from
    this.chunks = grown
    return chunk - from
  }
}

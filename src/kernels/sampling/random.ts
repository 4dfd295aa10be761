/**
 * A seeded generator of random numbers, drawn from (seed, stream) alone: the same pair gives the same
 * numbers on every machine, thread and Node version. Not for secrets.
 *
 * xoshiro128** (Blackman and Vigna 2021, "Scrambled linear pseudorandom number generators"), seeded
 * through the SplitMix64 finaliser.
 */
export interface Random {
  /** An integer in 0..2^32-1. */
  nextUint32(): number
  /** A multiple of 2^-53 in [0, 1). */
  nextFloat(): number
  /** Fills an array, in any memory, with as many results of `nextFloat`. */
  nextFloats(into: Float64Array): void
  /** An integer in 0..n-1, each equally likely; n is 1..2^32. */
  nextInt(n: number): number
  /** The state as it is now, a copy of four words: compiled code goes on from there. */
  state(): Int32Array
}

const bits64 = (1n << 64n) - 1n

/** SplitMix64's finaliser (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number generators"): a bijection of 64-bit words. */
function mix(word: bigint): bigint {
  let z = (word + 0x9e37_79b9_7f4a_7c15n) & bits64
  z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & bits64
  z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & bits64
  return z ^ (z >> 31n)
}

/**
 * Starts a generator.
 *
 * @param seed a safe integer 0..2^53-1
 * @param stream a safe integer 0..2^53-1; streams of one seed are independent of each other. The pair
 *   is turned into the 128-bit state by a bijection, so two pairs never share a state.
 */
export function createRandom(seed: number, stream: number): Random {
  if (!isSeed(seed) || !isSeed(stream)) throw new RangeError('seed and stream are integers from 0 to 2^53-1')
  const first = mix(BigInt(seed))
  const low = mix((BigInt(stream) + first) & bits64)
  const high = mix((first + low) & bits64)
  return resumeRandom(new Int32Array(BigUint64Array.of(low, high).buffer))
}

/**
 * A generator that goes on from where another one stood.
 *
 * @param state four words of 32 bits, as `Random.state` tells them
 */
export function resumeRandom(state: ArrayLike<number>): Random {
  let a = state[0]! | 0
  let b = state[1]! | 0
  let c = state[2]! | 0
  // The all-zero state would stay zero for ever; one pair of seed and stream in 2^106 could reach it.
  let d = (a | b | c | state[3]!) === 0 ? 1 : state[3]! | 0

  function nextUint32(): number {
    const scaled = Math.imul(b, 5)
    const result = Math.imul((scaled << 7) | (scaled >>> 25), 9) >>> 0
    const shifted = b << 9
    c ^= a
    d ^= b
    b ^= c
    a ^= d
    c ^= shifted
    d = (d << 11) | (d >>> 21)
    return result
  }

  function nextFloat(): number {
    const high = nextUint32() >>> 5
    const low = nextUint32() >>> 6
    return (high * 0x400_0000 + low) / 0x20_0000_0000_0000
  }

  function nextFloats(into: Float64Array): void {
    for (let i = 0; i < into.length; i++) into[i] = nextFloat()
  }

  function nextInt(n: number): number {
    // Only 32-bit numbers are divided as integers, in half the time of doubles; 2^32 is none, and any word will do for it.
    const divisor = n >>> 0
    let word = nextUint32()
    if (divisor === 0) return word
    // Words past the last full multiple of n are drawn again, or small results would be likelier. These are fewer than n. (2^32 - n
    // has the remainder of 2^32.)
    if (word > 0xffff_ffff - divisor) {
      const limit = 0x1_0000_0000 - ((-n >>> 0) % n)
      while (word >= limit) word = nextUint32()
    }
    return (word >>> 0) % divisor
  }

  return { nextUint32, nextFloat, nextFloats, nextInt, state: () => Int32Array.of(a, b, c, d) }
}

/** Whether `value` can be a seed: an integer from 0 to 2^53-1. */
export function isSeed(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0
}

/**
 * The streams of one seed, so that no two purposes share random numbers: `sample(k)` draws the rows of
 * piece k, `fit(k)` fits piece k, `pick(k)` picks rows of a sample that pieces share, `profile` draws the rows of the
 * training profile.
 */
export const streams = {
  profile: 0,
  sample: (k: number): number => 4 * k + 1,
  fit: (k: number): number => 4 * k + 2,
  pick: (k: number): number => 4 * k + 3,
} as const

/** The numbers 0..n-1. */
export function countUp(n: number): Uint32Array<ArrayBuffer> {
  const numbers = new Uint32Array(n)
  for (let i = 0; i < n; i++) numbers[i] = i
  return numbers
}

/** `count` of the numbers 0..n-1 in a random order, without repetition (Fisher and Yates, as Durstenfeld 1964 put it). */
export function drawOrder(n: number, count: number, random: Random): Uint32Array<ArrayBuffer> {
  const order = countUp(n)
  for (let i = 0; i < count; i++) {
    const j = i + random.nextInt(n - i)
    const drawn = order[j]!
    order[j] = order[i]!
    order[i] = drawn
  }
  return order.subarray(0, count)
}

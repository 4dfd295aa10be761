import { describe, expect, test } from 'vitest'
import { createRandom, drawOrder, isSeed, streams } from '../../../src/kernels/sampling/random.ts'

describe('the seeded generator', () => {
  test.each([[-1], [1.5], [Number.NaN], [2 ** 53], [Number.POSITIVE_INFINITY]])('refuses the seed %d', (seed) => {
    expect(() => createRandom(seed, 0)).toThrow(RangeError)
    expect(() => createRandom(0, seed)).toThrow(RangeError)
    expect(isSeed(seed)).toBe(false)
  })

  test('gives the same numbers for the same pair, on every machine', () => {
    const words = (seed: number, stream: number) => {
      const random = createRandom(seed, stream)
      return Array.from({ length: 3 }, () => random.nextUint32())
    }
    expect(words(42, 7)).toEqual(words(42, 7))
    // Fixed when the generator was written: a change would change every model ever trained with a seed.
    expect(words(0, 0)).toEqual([443_589_289, 3_292_292_495, 1_075_846_825])
    expect(words(2 ** 53 - 1, 3)).toEqual([2_049_597_593, 3_490_964_751, 2_029_007_807])
  })

  test('starts where words of 64 bits would', () => {
    const mask = 2n ** 64n - 1n
    /** SplitMix64's finaliser as its paper has it. */
    const mix = (word: bigint) => {
      let z = (word + 0x9e37_79b9_7f4a_7c15n) & mask
      z = ((z ^ (z >> 30n)) * 0xbf58_476d_1ce4_e5b9n) & mask
      z = ((z ^ (z >> 27n)) * 0x94d0_49bb_1331_11ebn) & mask
      return z ^ (z >> 31n)
    }
    const edges = [0, 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 1, 2 ** 53 - 1]
    const choose = createRandom(8, 8)
    const others = Array.from({ length: 300 }, () => Math.floor(choose.nextFloat() * 2 ** (1 + choose.nextInt(53))))
    for (const seed of [...edges, ...others])
      for (const stream of edges) {
        const first = mix(BigInt(seed))
        const low = mix((BigInt(stream) + first) & mask)
        const words = BigInt.asUintN(64, low) | (mix((first + low) & mask) << 64n)
        const state = Int32Array.from({ length: 4 }, (_, i) => Number(BigInt.asIntN(32, words >> BigInt(32 * i))))
        expect(createRandom(seed, stream).state()).toEqual(state)
      }
  })

  test('gives other numbers for every other pair', () => {
    const firsts = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      for (let stream = 0; stream < 40; stream++) {
        const random = createRandom(seed, stream)
        firsts.add(`${random.nextUint32()} ${random.nextUint32()}`)
      }
    }
    expect(firsts.size).toBe(1600)
  })

  test('spreads evenly over the streams of one seed and over one stream', () => {
    const chiSquare = (draw: (i: number) => number) => {
      const counts = new Float64Array(64)
      for (let i = 0; i < 64_000; i++) counts[Math.floor(draw(i) * 64)]! += 1
      return counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0)
    }
    const random = createRandom(1, 1)
    // 63 degrees of freedom: 103 is exceeded once in 1000
    expect(chiSquare(() => random.nextFloat())).toBeLessThan(103)
    expect(chiSquare((i) => createRandom(9, i).nextFloat())).toBeLessThan(103)
    expect(chiSquare((i) => createRandom(i, 9).nextFloat())).toBeLessThan(103)
  })

  test('floats are multiples of 2^-53 below 1', () => {
    const random = createRandom(3, 3)
    for (let i = 0; i < 10_000; i++) {
      const value = random.nextFloat()
      expect(value >= 0 && value < 1 && Number.isInteger(value * 2 ** 53)).toBe(true)
    }
  })

  test('integers cover their range and nothing else', () => {
    const random = createRandom(4, 4)
    expect(random.nextInt(1)).toBe(0)
    const counts = new Float64Array(7)
    for (let i = 0; i < 7000; i++) counts[random.nextInt(7)]! += 1
    for (const count of counts) expect(Math.abs(count - 1000)).toBeLessThan(150)
    for (let i = 0; i < 100; i++) expect(random.nextInt(2 ** 32)).toBeLessThan(2 ** 32)
  })

  test('an array is filled with the floats of single calls, wherever the stream stands', () => {
    const [single, filled] = [createRandom(5, 5), createRandom(5, 5)]
    for (const count of [0, 1, 3, 1000]) {
      const into = new Float64Array(new SharedArrayBuffer(8 * count))
      filled.nextFloats(into)
      expect([...into]).toEqual(Array.from({ length: count }, () => single.nextFloat()))
      expect(filled.nextUint32()).toBe(single.nextUint32())
    }
  })

  test.each([1, 2, 3, 10, 255, 256, 2 ** 31, 2 ** 31 + 1, 3_000_000_000, 2 ** 32 - 1, 2 ** 32])(
    'integers below %i are the words below its last full multiple, divided',
    (n) => {
      const [drawn, words] = [createRandom(6, n), createRandom(6, n)]
      for (let i = 0; i < 500; i++) {
        let word = words.nextUint32()
        while (word >= 2 ** 32 - (2 ** 32 % n)) word = words.nextUint32()
        expect(drawn.nextInt(n)).toBe(word % n)
      }
    },
  )

  test('no two purposes share a stream', () => {
    const all = [
      streams.profile,
      ...[0, 1, 2, 999].flatMap((k) => [streams.sample(k), streams.fit(k), streams.pick(k)]),
    ]
    expect(new Set(all).size).toBe(all.length)
  })

  test('an order has every number once, and each number is as likely in front', () => {
    expect([...drawOrder(50, 50, createRandom(1, 1))].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 50 }, (_, i) => i),
    )
    expect(drawOrder(5, 0, createRandom(1, 1)).length).toBe(0)
    const firsts = new Float64Array(6)
    for (let seed = 0; seed < 3000; seed++)
      for (const drawn of drawOrder(6, 2, createRandom(seed, 1))) firsts[drawn]! += 1
    for (const count of firsts) expect(Math.abs(count - 1000)).toBeLessThan(130)
  })
})

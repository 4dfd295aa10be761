import { describe, expect, test } from 'vitest'
import { createRandom } from '../../../src/kernels/sampling/random.ts'
import { createScoreHistogram } from '../../../src/kernels/scores/histogram.ts'
import { allowedAbove, createTopScores } from '../../../src/kernels/scores/top-scores.ts'

/** The definition, word by word. */
function smallestThreshold(scores: readonly number[], contamination: number): number {
  const candidates = [...new Set(scores)].sort((a, b) => a - b)
  const fits = (t: number) => scores.filter((score) => score > t).length / scores.length <= contamination
  return candidates.find(fits) as number
}

/** The threshold after as many walks over the scores as are asked for. */
function thresholdOf(scores: readonly number[], contamination: number, kept?: number, mostWalks: number = 1) {
  const counted = scores.filter((score) => !Number.isNaN(score)).length
  const top = createTopScores(counted, contamination, kept)
  for (let walk = 0; walk < mostWalks; walk++) {
    for (let i = 0; i < scores.length; i += 97) top.offer(Float64Array.from(scores.slice(i, i + 97)))
    const found = top.finish()
    if (found) return found
  }
  return top.settle()
}

describe('the number of scores allowed above the threshold', () => {
  test.each([
    [100, 0.07, 7], // 0.07 * 100 is 7.000000000000001
    [100, 0.29, 29], // 0.29 * 100 is 28.999999999999996
    [1000, 0.001, 1],
    [1, 0.49, 0],
    [3, 0.49, 1],
    [10_000_000, 0.01, 100_000],
  ])('of %d at %d is %d', (n, contamination, expected) => {
    expect(allowedAbove(n, contamination)).toBe(expected)
  })

  test('is the largest whose share is not more than the contamination', () => {
    for (let n = 1; n < 400; n++) {
      for (let percent = 1; percent < 50; percent++) {
        const m = allowedAbove(n, percent / 100)
        if (m / n > percent / 100 || (m + 1) / n <= percent / 100) expect([n, percent, m]).toBe('the largest')
      }
    }
  })
})

describe('the threshold of a contamination', () => {
  test.each([
    { name: 'one score', scores: [0.4], contamination: 0.1, expected: 0.4 },
    { name: 'equal scores', scores: Array(10).fill(0.5), contamination: 0.2, expected: 0.5 },
    { name: 'ties across the line', scores: [0.9, 0.8, 0.8, 0.8, 0.1, 0.1], contamination: 0.34, expected: 0.8 },
    { name: 'room for none', scores: [0.1, 0.2, 0.3], contamination: 0.3, expected: 0.3 },
    { name: 'exactly the share', scores: [0.1, 0.2, 0.3, 0.4], contamination: 0.25, expected: 0.3 },
    { name: 'unscored rows', scores: [0.1, Number.NaN, 0.3, Number.NaN], contamination: 0.49, expected: 0.3 },
  ])('of $name is $expected', ({ scores, contamination, expected }) => {
    expect(thresholdOf(scores, contamination)).toEqual({
      value: expected,
      exact: true,
      above: scores.filter((score) => score > expected).length,
    })
  })

  test('is what sorting gives, with and without ties', () => {
    const random = createRandom(2, 2)
    for (let round = 0; round < 60; round++) {
      const count = 1 + random.nextInt(600)
      const levels = round % 2 === 0 ? 20 : 1e9
      const scores = Array.from({ length: count }, () => Math.round(random.nextFloat() * levels) / levels)
      const contamination = 0.001 + random.nextFloat() * 0.498
      expect(thresholdOf(scores, contamination).value).toBe(smallestThreshold(scores, contamination))
    }
  })

  test('is exact over many more scores than are kept, in any order', () => {
    const count = 300_000
    const ascending = Float64Array.from({ length: count }, (_, i) => (i + 1) / count)
    for (const scores of [ascending, ascending.slice().reverse()]) {
      const top = createTopScores(count, 0.01)
      for (let i = 0; i < count; i += 65_536) top.offer(scores.subarray(i, i + 65_536))
      expect(top.finish()).toEqual({ value: (count - 3000) / count, exact: true, above: 3000 })
    }
  })

  const random = createRandom(7, 7)
  const many: Record<string, readonly number[]> = {
    'spread out': Array.from({ length: 2000 }, () => random.nextFloat()),
    'crowded below a millionth': Array.from({ length: 2000 }, (_, i) =>
      i < 1600 ? 0.5 + random.nextFloat() / 1e6 : 0.1,
    ),
    'neighbouring doubles': Array.from({ length: 2000 }, () => 0.5 + random.nextInt(9) * 2 ** -53),
    'of three values': Array.from({ length: 2000 }, () => random.nextInt(3) / 2),
    'the ends': Array.from({ length: 2000 }, (_, i) => (i % 50 === 0 ? 1 : 0)),
    'some of them unscored': Array.from({ length: 2000 }, (_, i) =>
      i % 3 === 0 ? Number.NaN : random.nextFloat() ** 20,
    ),
  }

  test.each(Object.keys(many))('is exact over scores that are %s and too many to keep, after few walks', (name) => {
    const scores = many[name]!
    const known = scores.filter((score) => !Number.isNaN(score))
    for (const contamination of [0.01, 0.1, 0.3, 0.499]) {
      const value = smallestThreshold(known, contamination)
      const above = known.filter((score) => score > value).length
      expect(thresholdOf(scores, contamination, 10, 6)).toEqual({ value, exact: true, above })
    }
  })

  test('is a little too high and never too low when many scores are seen only once', () => {
    const scores = many['spread out']!
    const value = smallestThreshold(scores, 0.1)
    const settled = thresholdOf(scores, 0.1, 10)
    expect(settled.exact).toBe(false)
    expect(settled.value).toBeGreaterThanOrEqual(value)
    expect(settled.value - value).toBeLessThan(1 / 16_384)
    expect(scores.filter((score) => score > settled.value).length).toBe(settled.above)
    expect(settled.above).toBeLessThanOrEqual(200)
    expect(thresholdOf(Array(100).fill(1), 0.2, 5)).toEqual({ value: 1, exact: true, above: 0 })
  })
})

test('the score histogram counts every score once, the ends too, and no unscored row', () => {
  const histogram = createScoreHistogram()
  histogram.add(Float64Array.of(0, 1, 0.5, 0.4999, Number.NaN, 0.005))
  expect(histogram.total).toBe(5)
  expect(histogram.counts.length).toBe(200)
  expect([0, 1, 99, 100, 199].map((bin) => histogram.counts[bin])).toEqual([1, 1, 1, 1, 1])
})

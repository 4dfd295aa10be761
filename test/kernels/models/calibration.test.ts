import { describe, expect, test } from 'vitest'
import { calibrate, memberScale, softMaximum } from '../../../src/kernels/models/calibration.ts'
import { quantileOf, robustScale, standardise } from '../../../src/kernels/models/scaling.ts'
import { distanceScore, oddsOf } from '../../../src/kernels/odds.ts'
import { createRandom } from '../../../src/kernels/sampling/random.ts'
import { hostileValues, normal, sampleFrom } from '../blocks.ts'

const draws = (count: number, seed: number) => {
  const random = createRandom(seed, 0)
  return Float64Array.from({ length: count }, () => normal(random))
}

describe('the calibration', () => {
  test.each([0.5, 0.9, 0.99, 0.995, 0.999])(
    'says %d of fresh rows of the same kind as often as it promises',
    (share) => {
      const shareBelow = calibrate(draws(4096, 1).sort())
      const fresh = draws(100_000, 2)
      const above = fresh.filter((value) => shareBelow(value) > share).length / fresh.length
      // Four standard deviations of the held-back sample, and as much again where a tail is fitted.
      const allowed = 4 * Math.sqrt((share * (1 - share)) / 4096) * (share > 0.992 ? 2 : 1)
      expect(Math.abs(above - (1 - share))).toBeLessThan(allowed)
    },
  )

  test('rises with the statistic without end, and stays inside (0, 1)', () => {
    const shareBelow = calibrate(draws(500, 3).sort())
    const statistics = [-1e6, -100, -3, -1, 0, 0.1, 1, 2, 3, 4, 10, 100, 1e4, 1e6, 1e9]
    const shares = statistics.map(shareBelow)
    for (const [i, share] of shares.entries()) {
      expect(share > 0 && share < 1).toBe(true)
      if (i > 0) expect(share).toBeGreaterThan(shares[i - 1]!)
    }
  })

  test.each([[[5]], [[1, 2]], [Array(300).fill(1)], [[...Array(299).fill(0), 1]]])(
    'holds with little to go by',
    (values) => {
      const shareBelow = calibrate(Float64Array.from(values))
      let last = 0
      for (const statistic of [-1e300, -1, 0, 0.5, 1, 2, 5, 1e300]) {
        const share = shareBelow(statistic)
        expect(share >= last && share <= 1).toBe(true)
        last = share
      }
    },
  )
})

test('a scale that cannot be told still has a width', () => {
  expect(memberScale(Float64Array.of(3, 3, 3))).toEqual({ middle: 3, unit: 1 })
  const mostlyEqual = memberScale(Float64Array.from([...Array(99).fill(1), 4]))
  expect(mostlyEqual.middle).toBe(1)
  // Interpolated, the 99th percentile lies at 1.03, 1.54 units out.
  expect(mostlyEqual.unit).toBeCloseTo((0.03 * Math.log(20)) / Math.log(100), 9)
  const fewer = memberScale(Float64Array.from([...Array(9999).fill(1), 4]))
  expect(fewer.unit).toBeCloseTo((3 * Math.log(20)) / Math.log(10_001), 9)
})

test('the soft maximum lies between mean and maximum, rises in each value and does not overflow', () => {
  expect(softMaximum(Float64Array.of(2, 2, 2))).toBeCloseTo(2, 12)
  expect(softMaximum(Float64Array.of(1000, 0))).toBeCloseTo(1000 - Math.LN2, 9)
  expect(softMaximum(Float64Array.of(1, 3))).toBeGreaterThan(softMaximum(Float64Array.of(0.9, 3)))
  expect(softMaximum(Float64Array.of(-1e300, 1e300))).toBe(1e300)
})

test('a distance as a score keeps far distances apart, and its odds are its level', () => {
  const scores = [0, 1e-300, 1, 10, 1e6, 1e12, 1.001e12, 1e300, 1e308].map((distance) => distanceScore(distance, 1))
  for (const [i, score] of scores.entries()) if (i > 1) expect(score).toBeGreaterThan(scores[i - 1]!)
  expect(Math.max(...scores)).toBeLessThan(1)
  expect(oddsOf(distanceScore(Math.E - 1, 1))).toBeCloseTo(1, 12)
  expect(Number.isFinite(oddsOf(1))).toBe(true)
})

describe('the units of a feature', () => {
  test('are the median, and the larger of quartile range and deviation', () => {
    const { centre, spread } = robustScale(sampleFrom([[1], [2], [3], [4], [100]]), Float64Array.of(0.5))
    expect(centre[0]).toBe(3)
    expect(spread[0]).toBeCloseTo(2 / 1.3489795003921634, 12)
    expect(robustScale(sampleFrom([[0], [0], [0]]), Float64Array.of(0.25)).spread[0]).toBe(0.25)
    expect(robustScale(sampleFrom([[7], [7]]), Float64Array.of(0)).spread[0]).toBe(1)
  })

  test('keep hostile values finite', () => {
    for (const value of hostileValues)
      for (const centre of hostileValues)
        for (const spread of [5e-324, 1, Number.MAX_VALUE])
          expect(Math.abs(standardise(value, centre, spread))).toBeLessThanOrEqual(1e100)
  })

  test('quantiles lie between their neighbours', () => {
    expect(quantileOf(Float64Array.of(1, 2, 4), 0.75)).toBe(3)
    expect(quantileOf(Float64Array.of(5), 0.3)).toBe(5)
  })
})

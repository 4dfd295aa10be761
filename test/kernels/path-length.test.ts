import { describe, expect, test } from 'vitest'
import { anomalyScore, averagePathLength, averagePathLengths, scoreFactor } from '../../src/kernels/path-length.ts'

/** 2 H(n-1) - 2 (n-1) / n as an exact fraction, rounded once. */
function exactly(n: number): number {
  let top = 0n
  let bottom = 1n
  for (let i = 1n; i < BigInt(n); i++) {
    top = top * i + bottom
    bottom *= i
  }
  const numerator = 2n * top * BigInt(n) - 2n * BigInt(n - 1) * bottom
  const scaled = (numerator * 10n ** 20n) / (bottom * BigInt(n))
  return Number(scaled) / 1e20
}

describe('the average path length c(n)', () => {
  test.each([
    [0, 0],
    [1, 0],
    [2, 1],
    [3, 5 / 3],
    [4, 13 / 6],
    [5, 2 * (25 / 12) - 8 / 5],
  ])('c(%d) = %d', (n, expected) => {
    expect(averagePathLength(n)).toBeCloseTo(expected, 14)
  })

  test('c(2) is 1 to the bit: a leaf of two rows counts one more step', () => {
    expect(averagePathLength(2)).toBe(1)
  })

  test.each([10, 64, 256, 1000])('equals the exact fraction for n = %d', (n) => {
    expect(averagePathLength(n)).toBeCloseTo(exactly(n), 12)
  })

  test('is near the published estimate ln(n-1) + 0.5772 for large n, and above it', () => {
    // scikit-learn and the paper give 10.2448 for 256 rows; the estimate leaves out 1 / (2 (n-1)).
    expect(averagePathLength(256)).toBeCloseTo(10.2448, 1)
    expect(averagePathLength(256)).toBeCloseTo(10.2487, 4)
    for (const n of [256, 4096, 65_536]) {
      const estimate = 2 * (Math.log(n - 1) + 0.5772156649015329) - (2 * (n - 1)) / n
      expect(averagePathLength(n) - estimate).toBeCloseTo(1 / (n - 1), 5)
    }
  })

  test('the table equals the function to the bit', () => {
    const lengths = averagePathLengths(3000)
    for (let n = 0; n <= 3000; n += 7) expect(lengths[n]).toBe(averagePathLength(n))
    expect(averagePathLengths(1)).toEqual(new Float64Array(2))
  })
})

describe('the anomaly score', () => {
  test('is 0.5 for an average path, 1 for none, and falls with the length', () => {
    const average = averagePathLength(256)
    expect(anomalyScore(100 * average, scoreFactor(100, 256))).toBeCloseTo(0.5, 15)
    expect(anomalyScore(0, scoreFactor(100, 256))).toBe(1)
    expect(anomalyScore(2 * average, scoreFactor(1, 256))).toBeCloseTo(0.25, 15)
    // The formula of the paper, in its own words.
    for (const sum of [1, 300, 850, 1234.5]) {
      expect(anomalyScore(sum, scoreFactor(100, 256))).toBeCloseTo(2 ** (-(sum / 100) / average), 14)
    }
  })

  test('stays above 0 for the longest path there can be', () => {
    expect(anomalyScore(1000 * (32 + averagePathLength(65_536)), scoreFactor(1000, 33))).toBeGreaterThan(0)
  })
})

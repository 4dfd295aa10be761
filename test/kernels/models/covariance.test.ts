import { describe, expect, test } from 'vitest'
import { shrunkCovariance, whitening } from '../../../src/kernels/models/covariance.ts'
import { hostileValues, normalRows } from '../blocks.ts'
import { waves } from '../oracle.ts'

function fitted(rows: number[][]) {
  const p = rows[0]!.length
  const { mean, covariance, shrinkage } = shrunkCovariance(Float64Array.from(rows.flat()), p)
  const white = whitening(covariance, p)
  const distance = (row: number[]) => {
    let sum = 0
    for (let a = 0; a < p; a++) {
      let part = 0
      for (let b = 0; b <= a; b++) part += white[(a * (a + 1)) / 2 + b]! * (row[b]! - mean[b]!)
      sum += part * part
    }
    return sum
  }
  return { mean, covariance, shrinkage, white, distance }
}

const probes = waves(5, 6, 1000)

describe('against scikit-learn 1.9, covariance.LedoitWolf', () => {
  test('forty rows of six features', () => {
    const { shrinkage, covariance, distance } = fitted(waves(40, 6))
    expect(shrinkage).toBeCloseTo(0.021453912896099343, 9)
    const first = [0.5320914471937228, -0.6099075048967206, 0.5908473931661024, -0.2947307261597071]
    for (const [b, value] of [...first, -0.27457085991408026, 1.0644870467173486].entries())
      expect(covariance[b]).toBeCloseTo(value, 9)
    const theirs = [5.372703680068722, 3.797194707524678, 2.341910592157192, 2.004403265819906, 3.1326502162100196]
    for (const [i, value] of theirs.entries()) expect(distance(probes[i]!)).toBeCloseTo(value, 9)
  })

  test('four rows of six features, which alone have no inverse', () => {
    const { shrinkage, distance } = fitted(waves(4, 6))
    expect(shrinkage).toBeCloseTo(0.20187196479955227, 9)
    const theirs = [57.90907218037467, 90.1646067085148, 118.0065023202354, 130.90895447886462, 123.43845169767658]
    for (const [i, value] of theirs.entries()) expect(distance(probes[i]!) / value).toBeCloseTo(1, 9)
  })
})

test('the whitening undoes the covariance', () => {
  const p = 5
  const { covariance, white } = fitted(normalRows(200, p).map((row) => [...row.slice(0, 4), row[0]! + 0.01 * row[4]!]))
  for (let a = 0; a < p; a++) {
    for (let b = 0; b < p; b++) {
      let entry = 0
      for (let c = 0; c <= a; c++)
        for (let d = 0; d <= b; d++)
          entry += white[(a * (a + 1)) / 2 + c]! * covariance[c * p + d]! * white[(b * (b + 1)) / 2 + d]!
      expect(entry).toBeCloseTo(a === b ? 1 : 0, 8)
    }
  }
})

test.each([
  ['equal rows', Array(10).fill([1, 2, 3])],
  ['one row', [[1, 2, 3]]],
  ['a feature twice', normalRows(20, 2).map(([a, b]) => [a, a, b])],
  ['extremes that do not overflow', normalRows(20, 3).map((row, i) => row.map((v) => (i === 7 ? 1e100 : v)))],
  ['denormals', normalRows(20, 3).map((row) => row.map((v) => v * 1e-300))],
])('%s give finite numbers', (_, rows) => {
  const { white, distance } = fitted(rows as number[][])
  for (const value of white) expect(Number.isFinite(value)).toBe(true)
  for (const value of hostileValues.filter((v) => Math.abs(v) < 1e50)) expect(distance([value, 0, 1]) >= 0).toBe(true)
})

import { describe, expect, test } from 'vitest'
import { kurtosisOf } from '../../../src/kernels/models/kurtosis.ts'
import { drawnRows, hostileValues, normalRows, sampleFrom } from '../blocks.ts'

const of = (column: number[]) => kurtosisOf(sampleFrom(column.map((value) => [value])))[0]!

describe('the kurtosis of a feature', () => {
  test.each([
    ['two values as often', [1, -1, 1, -1], 1],
    ['even steps', [1, 2, 3, 4, 5], 1.7],
    ['one row far outside', [0, 0, 0, 0, 0, 0, 0, 1], 6.142857142857143],
    ['a constant', [7, 7, 7], 1],
    ['a constant of nothing', [0, 0], 1],
    ['one row', [3], 1],
  ])('of %s', (_, column, expected) => {
    expect(of(column)).toBeCloseTo(expected, 12)
  })

  test('of normal values is about 3, whatever their unit and their mean', () => {
    const column = normalRows(20_000, 1).map(([value]) => value!)
    expect(of(column)).toBeGreaterThan(2.85)
    expect(of(column)).toBeLessThan(3.15)
    for (const unit of [1e-300, 1e-9, 1e9, 1e300])
      expect(of(column.map((value) => value * unit))).toBeCloseTo(of(column), 6)
    expect(of(column.map((value) => value + 1000))).toBeCloseTo(of(column), 6)
  })

  test('of hostile values is between 1 and their number, each feature for itself', () => {
    for (const kurtosis of kurtosisOf(sampleFrom(drawnRows(300, 20, hostileValues)))) {
      expect(kurtosis).toBeGreaterThanOrEqual(1)
      expect(kurtosis).toBeLessThanOrEqual(300)
    }
    const rows = normalRows(50, 3)
    expect([...kurtosisOf(sampleFrom(rows))]).toEqual([0, 1, 2].map((f) => of(rows.map((row) => row[f]!))))
  })
})

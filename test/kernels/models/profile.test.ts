import { describe, expect, test } from 'vitest'
import {
  emptyProfile,
  findUnusable,
  mergeProfiles,
  namedRows,
  profileBlock,
  quantiles,
  usableRows,
  varyingColumns,
} from '../../../src/kernels/models/profile.ts'
import { blockOf, drawnRows, hostileValues, normalRows, sampleFrom } from '../blocks.ts'

const { NaN: missing, POSITIVE_INFINITY: infinity } = Number

const column = (values: readonly number[]) =>
  blockOf(
    values.map((value) => [value]),
    1,
  )
const profiled = (values: readonly number[]) => profileBlock(column(values), 1)

function expectClose(actual: number, expected: number): void {
  expect(Math.abs(actual - expected)).toBeLessThanOrEqual(1e-12 * Math.max(1e-300, Math.abs(expected)))
}

describe('the profile of a column', () => {
  test.each([
    { name: 'nothing', values: [], finite: 0, mean: 0, std: 0 },
    { name: 'only missing values', values: [missing, missing], finite: 0, mean: 0, std: 0 },
    { name: 'only infinities', values: [infinity, -infinity], finite: 0, mean: 0, std: 0 },
    { name: 'one value', values: [3], finite: 1, mean: 3, std: 0 },
    { name: 'a constant that has no exact mean', values: Array(1000).fill(0.1), finite: 1000, mean: 0.1, std: 0 },
    { name: 'both ends of the doubles', values: [1e308, -1e308], finite: 2, mean: 0, std: 1e308 },
    { name: 'many huge values', values: Array(1000).fill(1e308), finite: 1000, mean: 1e308, std: 0 },
    { name: 'large squares', values: [1e200, 3e200], finite: 2, mean: 2e200, std: 1e200 },
    { name: 'small squares', values: [1e-200, 3e-200], finite: 2, mean: 2e-200, std: 1e-200 },
    { name: 'the smallest doubles', values: [5e-324, 5e-324], finite: 2, mean: 5e-324, std: 0 },
    { name: 'a mix', values: [1, missing, 2, infinity, 3, -infinity], finite: 3, mean: 2, std: Math.sqrt(2 / 3) },
  ])('of $name', ({ values, finite, mean, std }) => {
    const profile = profiled(values)
    expect(profile.rows).toBe(values.length)
    expect(profile.finite[0]).toBe(finite)
    expect(finite + profile.missing[0]! + profile.infinite[0]!).toBe(values.length)
    expectClose(profile.mean[0]!, mean)
    expectClose(profile.std[0]!, std)
  })

  test('keeps digits when the values are large and close together', () => {
    const values = Array.from({ length: 1000 }, (_, i) => 1e9 + (i % 2))
    expectClose(profiled(values).std[0]!, 0.5)
  })

  test('has infinite ends where no value is finite, and is then no varying column', () => {
    const profile = profileBlock(
      blockOf([
        [missing, 1, -0],
        [missing, 2, 0],
      ]),
      3,
    )
    expect([profile.min[0], profile.max[0]]).toEqual([infinity, -infinity])
    expect(varyingColumns(profile)).toEqual([1])
  })
})

describe('merged profiles', () => {
  const whole = normalRows(3000, 2, 4)
  const cuts = [0, 1, 700, 700, 2999, 3000]

  test('say what the profile of all rows says', () => {
    const expected = profileBlock(blockOf(whole), 2)
    let merged = emptyProfile(2)
    for (let i = 1; i < cuts.length; i++) {
      merged = mergeProfiles(merged, profileBlock(blockOf(whole.slice(cuts[i - 1], cuts[i]), 2), 2))
    }
    expect(merged.rows).toBe(3000)
    for (const part of ['finite', 'missing', 'infinite', 'min', 'max'] as const) {
      expect([...merged[part]]).toEqual([...expected[part]])
    }
    for (const part of ['mean', 'std'] as const) {
      for (let f = 0; f < 2; f++) expect(merged[part][f]).toBeCloseTo(expected[part][f]!, 12)
    }
  })

  test('of extreme values stay finite and inside their range', () => {
    for (let seed = 0; seed < 200; seed++) {
      const rows = drawnRows(20, 1, [...hostileValues, missing, infinity], seed)
      const merged = mergeProfiles(profileBlock(blockOf(rows.slice(0, 7)), 1), profileBlock(blockOf(rows.slice(7)), 1))
      const [min, max, mean, std] = [merged.min[0]!, merged.max[0]!, merged.mean[0]!, merged.std[0]!]
      expect(mean >= min && mean <= max).toBe(true)
      expect(std >= 0 && std <= Number.MAX_VALUE).toBe(true)
    }
  })

  test('of a constant keep it to the bit', () => {
    const merged = mergeProfiles(profiled(Array(3).fill(0.1)), profiled(Array(10).fill(0.1)))
    expect([merged.mean[0], merged.std[0]]).toEqual([0.1, 0])
  })
})

describe('unusable rows', () => {
  const block = blockOf([
    [1, 2],
    [missing, infinity],
    [infinity, 2],
    [3, 4],
    [3, missing],
  ])

  test('are marked with their reason, a missing value before an infinite one', () => {
    const { marks, count, firsts } = findUnusable(block, profileBlock(block, 2))
    expect([...marks!]).toEqual([0, 2, 3, 0, 2])
    expect(count).toBe(3)
    expect(firsts).toEqual([
      [1, 2],
      [1, 4],
    ])
    expect([...usableRows(marks)!]).toEqual([0, 3])
  })

  test('are none when all is finite, and columns beyond the features do not count', () => {
    const { marks, count, firsts } = findUnusable(blockOf([[1, missing]]), profileBlock(blockOf([[1, missing]]), 1))
    expect(marks).toBeNull()
    expect(usableRows(marks)).toBeNull()
    expect(count).toBe(0)
    expect(firsts).toEqual([[]])
  })

  test('are named up to a bound', () => {
    const bad = column(Array(20).fill(missing))
    expect(findUnusable(bad, profileBlock(bad, 1)).firsts).toEqual([[0, 1, 2, 3, 4].slice(0, namedRows)])
  })
})

describe('quantiles', () => {
  test('interpolate between the finite values', () => {
    const sample = sampleFrom([[4], [missing], [1], [infinity], [3], [2], [-infinity]])
    expect(quantiles(sample, 0, [0, 0.25, 0.5, 1])).toEqual([1, 1.75, 2.5, 4])
  })

  test('of no finite value are NaN, of one value that value', () => {
    expect(quantiles(sampleFrom([[missing]]), 0, [0.5])).toEqual([missing])
    expect(quantiles(sampleFrom([[7]]), 0, [0, 0.5, 1])).toEqual([7, 7, 7])
  })

  test('of extreme values do not overflow', () => {
    expect(quantiles(sampleFrom([[Number.MAX_VALUE], [-Number.MAX_VALUE]]), 0, [0.5])).toEqual([0])
    expect(quantiles(sampleFrom([[-0], [0], [5e-324]]), 0, [1])).toEqual([5e-324])
  })

  test('look at their own column and at the filled slots only', () => {
    const sample = { values: Float64Array.of(1, 2, 99, 5, 6, 99), size: 3, columns: 2, filled: 2 }
    expect(quantiles(sample, 1, [0, 1])).toEqual([5, 6])
  })
})

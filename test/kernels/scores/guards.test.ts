import { describe, expect, test } from 'vitest'
import { type Guards, outsideOf, raiseOutside, strengthOutside } from '../../../src/kernels/scores/guards.ts'
import { blockOf, hostileValues } from '../blocks.ts'

const guards: Guards = {
  min: Float64Array.of(0, 7, 0, Number.NEGATIVE_INFINITY),
  max: Float64Array.of(10, 7, 0, Number.POSITIVE_INFINITY),
  level: 0.6,
}

function raised(rows: number[][], scores: number[] | number = 0.45, given: Guards = guards): number[] {
  const out = Float64Array.from(rows, (_, r) => (typeof scores === 'number' ? scores : scores[r]!))
  raiseOutside(given, blockOf(rows), 0, rows.length, out)
  return [...out]
}

describe('a row with every value inside', () => {
  test.each([[[0, 7, 0, 1e308]], [[10, 7, -0, -1e308]], [[5, 7, 0, Number.NaN]], [[Number.NaN, 7, 0, 0]]])(
    'keeps its score to the bit: %j',
    (row) => {
      for (const score of [0, 1 / 3, 0.4449999999999, 0.999999999999, Number.NaN])
        expect(raised([row], score)).toEqual([score])
    },
  )
})

describe('a row with a value outside', () => {
  test('ranks by its distance: 2, 10, 1,000 and 1e12 widths', () => {
    const far = [10.1, 30, 110, 10_010, 1e13, 1e300].map((value) => [value, 7, 0, 0])
    const scores = raised(far)
    expect(scores).toEqual([...scores].sort((a, b) => a - b))
    expect(new Set(scores).size).toBe(far.length)
    for (const score of scores) expect(score > 0.45 && score < 1).toBe(true)
    expect(raised([[-100, 7, 0, 0]])).toEqual(raised([[110, 7, 0, 0]]))
  })

  test('is above the level at the latest one width outside, whatever its score', () => {
    expect(raised([[20, 7, 0, 0]], 0)[0]).toBeCloseTo(0.6, 12)
    expect(raised([[20.001, 7, 0, 0]], 0)[0]).toBeGreaterThan(0.6)
    // Just beyond the range it is raised a little and no more.
    expect(raised([[10.2, 7, 0, 0]], 0.45)[0]).toBeLessThan(0.47)
  })

  test('is raised more by two such values than by one, and above a row with the same values and a lower score', () => {
    expect(raised([[12, 7.5, 0, 0]])[0]).toBeGreaterThan(raised([[12, 7, 0, 0]])[0]!)
    expect(raised([[12, 7, 0, 0]], 0.5)[0]).toBeGreaterThan(raised([[12, 7, 0, 0]], 0.4)[0]!)
  })

  test('is flagged when a constant moved at all, and ranks by how far', () => {
    const scores = raised([
      [5, 7 + 2 ** -50, 0, 0],
      [5, 70, 0, 0],
      [5, 7000, 0, 0],
    ])
    expect(scores).toEqual([...scores].sort((a, b) => a - b))
    for (const score of [...scores, ...raised([[5, 7, 1e-300, 0]])]) expect(score).toBeGreaterThan(0.6)
  })

  test('stays without a score when it has none', () => {
    expect(raised([[1e9, 7, 0, 0]], Number.NaN)).toEqual([Number.NaN])
  })

  test('gives numbers in [0, 1] for hostile values, ranges and levels', () => {
    for (const low of hostileValues)
      for (const high of hostileValues.filter((value) => value >= low))
        for (const level of [0, 0.5, 1]) {
          const hostile = { min: Float64Array.of(low), max: Float64Array.of(high), level }
          const rows = [...hostileValues, Number.NaN, Number.POSITIVE_INFINITY].map((value) => [value])
          for (const start of [0, 0.5, 1])
            for (const score of raised(rows, start, hostile)) expect(score >= start && score <= 1).toBe(true)
        }
  })

  test('is looked at from..to only, and does not depend on other rows', () => {
    const rows = [[50], [60], [70], [5]]
    const scores = Float64Array.of(0.1, 0.2, 0.3, 0.4)
    const own = { min: Float64Array.of(0), max: Float64Array.of(10), level: 0.6 }
    raiseOutside(own, blockOf(rows), 1, 2, scores)
    expect([scores[0], scores[2], scores[3]]).toEqual([0.1, 0.3, 0.4])
    expect(scores[1]).toBe(raised([[60]], 0.2, own)[0])
  })
})

test('the strongest reasons come first, within their number', () => {
  const block = blockOf([
    [5, 7, 0, 0],
    [100, 7.1, 3, 0],
  ])
  expect(outsideOf(guards, block, 0, 10)).toEqual([])
  expect(outsideOf(guards, block, 1, 10).map(({ column: lane, isNovel }) => [lane, isNovel])).toEqual([
    [0, false],
    [2, true],
    [1, true],
  ])
  expect(outsideOf(guards, block, 1, 2).length).toBe(2)
})

test('the strength is 1 one width outside and grows with the logarithm', () => {
  expect(strengthOutside(20, 0, 10)).toBe(1)
  expect(strengthOutside(-70, 0, 10)).toBe(3)
  expect(strengthOutside(1e308, -1e308, 0)).toBe(1)
})

/** Selection beside sorting, for every kind of list. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandom } from '../../src/kernels/random.ts'
import { select } from '../../src/kernels/select.ts'

const length = 65_536
const random = createRandom(3, 0)
const lists: [string, (i: number) => number][] = [
  ['in no order', () => random.nextFloat()],
  ['ascending', (i) => i],
  ['descending', (i) => -i],
  ['all equal', () => 7],
  ['of two values', (i) => (i * 7919) % 2],
  ['rising and falling', (i) => Math.min(i, length - i)],
  ['rising and falling often', (i) => Math.abs((i % 512) - 256) * 1e5 + i],
  ['with infinities', (i) => [Number.NEGATIVE_INFINITY, i, Number.POSITIVE_INFINITY][i % 3]!],
]
const places = [0, 1, 655, 656, 3276, 16_383, 16_384, 32_767, 49_151, 62_259, 64_880, length - 1]

describe('selection puts at the wanted places what sorting would', () => {
  test.each(lists)('of a list %s', (_, value) => {
    const values = Float64Array.from({ length }, (_, i) => value(i))
    const sorted = values.slice().sort()
    select(values, places)
    for (const place of places) expect(values[place]).toBe(sorted[place])
    // Nothing was lost, and everything stands on its side of each place.
    expect(values.subarray(0, 655).every((each) => each <= sorted[655]!)).toBe(true)
    expect(values.subarray(49_152).every((each) => each >= sorted[49_151]!)).toBe(true)
    expect(values.sort()).toEqual(sorted)
  })

  test('of any list and any places', () => {
    fc.assert(
      fc.property(
        fc.array(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.double({ noNaN: true })), {
          minLength: 1,
          maxLength: 300,
        }),
        fc.array(fc.nat(), { maxLength: 8 }),
        (list, wanted) => {
          // Sorting tells the two zeros apart, comparing does not.
          const values = Float64Array.from(list, (value) => value + 0)
          const sorted = values.slice().sort()
          const chosen = [...new Set(wanted.map((place) => place % list.length))].sort((a, b) => a - b)
          select(values, chosen)
          for (const place of chosen) expect(values[place]).toBe(sorted[place])
          expect(values.sort()).toEqual(sorted)
        },
      ),
    )
  })

  test('in time that does not explode for what divides badly', () => {
    // Each pivot is the smallest but one of what is left, as against a median of three.
    const values = Float64Array.from({ length: 2 ** 18 }, (_, i) => (i % 2 === 0 ? i : 2 ** 18 - i))
    const started = performance.now()
    select(values, [2 ** 17])
    const took = performance.now() - started
    const sorting = performance.now()
    values.slice().sort()
    expect(took).toBeLessThan(20 * (performance.now() - sorting) + 100)
  })
})

/** Selection beside sorting, for every kind of list. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { select } from '../../src/kernels/select.ts'

const length = 65_536
const random = createRandom(3, 0)

/**
 * Values of which the median of the first, the middle and the last is the second smallest in every part that is left, as the partition
 * leaves it: each walk takes away two. Without a bound on the walks their calls do not fit on the stack.
 */
function worst(): Float64Array {
  const values = new Float64Array(length)
  const order = Uint32Array.from(values.keys())
  values[order[length - 1]!] = length
  for (let from = 0; from < length - 2; from += 2) {
    const middle = (from + length - 1) >>> 1
    values[order[from]!] = from
    values[order[middle]!] = from + 1
    ;[order[from + 1], order[middle]] = [order[middle]!, order[from + 1]!]
  }
  values[order[length - 2]!] = length - 1
  return values
}
const divided = worst()

const lists: [string, (i: number) => number][] = [
  ['in no order', () => random.nextFloat()],
  ['ascending', (i) => i],
  ['descending', (i) => -i],
  ['all equal', () => 7],
  ['of two values', (i) => (i * 7919) % 2],
  ['rising and falling', (i) => Math.min(i, length - i)],
  ['rising and falling often', (i) => Math.abs((i % 512) - 256) * 1e5 + i],
  ['that divides as badly as any', (i) => divided[i]!],
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
})

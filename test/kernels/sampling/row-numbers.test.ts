import { expect, test } from 'vitest'
import { createRandom } from '../../../src/kernels/sampling/random.ts'
import { RowNumbers } from '../../../src/kernels/sampling/row-numbers.ts'

const [count, slots, columns] = [5, 300, 3]

/** The first numbers that differ, as a set would find them. */
function distinct(rows: number, seed: number, stream: number): number[] {
  const random = createRandom(seed, stream)
  const numbers = new Set<number>()
  while (numbers.size < slots) numbers.add(Math.floor(random.nextFloat() * rows))
  return [...numbers]
}

test.each([1_000, 1_000_000, 2 ** 32 - 1, 2 ** 32, 2 ** 41 + 7])(
  'numbers below %d are the first different ones of each sample, whole and in their places',
  (rows) => {
    const numbers = new RowNumbers({ count, size: 256, slots, rows, columns, seed: 4, stream: (k) => 10 + k })
    for (const _ of numbers.draw());
    const found = Array.from({ length: count }, () => new Array<number>(slots).fill(-1))
    const most = 2 ** 32 - 5
    for (let first = 0; first < rows; first += most) {
      const wanted = numbers.between(first, Math.min(most, rows - first))
      for (let i = 0; i < wanted.count; i++) {
        const slot = wanted.places[i]! % slots
        found[(wanted.places[i]! - slot) / slots / columns]![slot] = first + wanted.rows[i]!
      }
    }
    expect(found).toEqual(Array.from({ length: count }, (_, k) => distinct(rows, 4, 10 + k)))
    // As many as lie behind the middle are marked.
    const middle = Math.floor(rows / 2)
    expect([...numbers.markFrom(middle)]).toEqual(found.flat().map((number) => Number(number >= middle)))
  },
)

import { describe, expect, test } from 'vitest'
import type { Block } from '../../../src/kernels/block.ts'
import type { SampleSet } from '../../../src/kernels/sampling/reservoir.ts'
import { RowDraw, type RowDrawOptions, rowDrawBytes } from '../../../src/kernels/sampling/row-draw.ts'
import { blockOf } from '../blocks.ts'

/** Rows from..to-1 in two columns: their number, and ten times that. */
const numbered = (from: number, to: number): Block =>
  blockOf(
    Array.from({ length: to - from }, (_, i) => [from + i, 10 * (from + i)]),
    2,
  )

const through = (work: Generator<void>) => [...work].length

/** A draw to which rows 0..offered-1 were offered, in blocks that end at the cuts. */
function offered(options: Partial<RowDrawOptions>, rows: number, cuts: readonly number[] = []): RowDraw {
  const draw = new RowDraw({ count: 1, size: 10, rows, columns: 2, seed: 5, stream: (k) => k, ...options })
  through(draw.draw())
  const edges = [0, ...cuts, rows]
  for (let i = 1; i < edges.length; i++) {
    const block = numbered(edges[i - 1]!, edges[i]!)
    through(draw.offer(block, null, block.rows))
  }
  return draw
}

/** Rows of sample k by number; every one must have come with both of its columns. */
function rowsOf({ values, size, columns, filled }: SampleSet, k = 0): number[] {
  const at = (f: number) => (k * columns + f) * size
  const rows = [...values.subarray(at(0), at(0) + filled)]
  expect([...values.subarray(at(1), at(1) + filled)]).toEqual(rows.map((row) => 10 * row))
  return rows
}

describe('rows drawn by number', () => {
  test.each([1, 7, 8, 9, 19])('come with all of their %i columns', (columns) => {
    const rows = 1000
    const draw = new RowDraw({ count: 3, size: 40, rows, columns, seed: 5, stream: (k) => k })
    through(draw.draw())
    for (let from = 0; from < rows; from += 250) {
      const cells = Array.from({ length: 250 }, (_, i) =>
        Array.from({ length: columns }, (_, f) => 100 * (from + i) + f),
      )
      through(draw.offer(blockOf(cells, columns), null, 250))
    }
    const { values, size, filled } = draw.finish()!
    for (let k = 0; k < 3; k++)
      for (let slot = 0; slot < filled; slot++) {
        const row = Array.from({ length: columns }, (_, f) => values[(k * columns + f) * size + slot])
        expect(row).toEqual(row.map((_, f) => row[0]! + f))
      }
  })

  test('are all rows, in their order, where there are no more than the sample holds', () => {
    expect(rowsOf(offered({}, 1).finish()!)).toEqual([0])
    expect(rowsOf(offered({}, 9).finish()!)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8])
    expect(rowsOf(offered({}, 10).finish()!)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9])
  })

  test.each([11, 15, 25, 40, 3_000])('never hold a row of %s twice', (rows) => {
    const set = offered({ count: 50 }, rows).finish()!
    expect(set.filled).toBe(10)
    for (let k = 0; k < 50; k++) expect(new Set(rowsOf(set, k)).size).toBe(10)
  })

  test('do not depend on how the rows are cut into blocks', () => {
    const whole = offered({ count: 3, size: 300 }, 10_000).finish()
    const every = Array.from({ length: 99 }, (_, i) => 101 * (i + 1) - 50)
    for (const cuts of [[1, 2, 127, 128, 129], [5_000, 5_000], every])
      expect(offered({ count: 3, size: 300 }, 10_000, cuts).finish()).toEqual(whole)
  })

  test('depend on seed and stream, and on nothing of the samples beside', () => {
    const three = offered({ count: 3 }, 500).finish()!
    expect(rowsOf(offered({ stream: () => 2 }, 500).finish()!)).toEqual(rowsOf(three, 2))
    expect(rowsOf(three, 1)).not.toEqual(rowsOf(three, 2))
    expect(rowsOf(offered({ seed: 6 }, 500).finish()!)).not.toEqual(rowsOf(three, 0))
  })

  test('see only the positions they are given', () => {
    const draw = new RowDraw({ count: 1, size: 10, rows: 50, columns: 2, seed: 5, stream: (k) => k })
    through(draw.draw())
    const even = Uint32Array.from({ length: 50 }, (_, i) => 2 * i)
    through(draw.offer(numbered(0, 60), even, 30))
    through(
      draw.offer(
        numbered(60, 100),
        even.map((at) => at),
        20,
      ),
    )
    expect(draw.seen).toBe(50)
    expect(rowsOf(draw.finish()!)).toEqual(rowsOf(offered({}, 50).finish()!).map((row) => 2 * row))
  })

  test('ignore columns beyond their own', () => {
    const draw = new RowDraw({ count: 1, size: 5, rows: 5, columns: 1, seed: 1, stream: () => 0 })
    through(draw.draw())
    through(draw.offer(numbered(0, 5), null, 5))
    expect([...draw.finish()!.values]).toEqual([0, 1, 2, 3, 4])
  })

  test('refuse more rows than they were told of', () => {
    const draw = offered({}, 20)
    expect(() => through(draw.offer(numbered(20, 21), null, 1))).toThrow(RangeError)
  })

  test('pause in long work', () => {
    const draw = new RowDraw({ count: 64, size: 4_096, rows: 100_000, columns: 2, seed: 1, stream: (k) => k })
    expect(through(draw.draw())).toBeGreaterThan(3)
    expect(through(draw.offer(numbered(0, 100_000), null, 100_000))).toBeGreaterThan(0)
  })

  test('are uniform: every row is drawn equally often', () => {
    const tries = 2_400
    const set = offered({ count: tries }, 60).finish()!
    expect(chiSquare(set, tries, 60)).toBeLessThan(98)
  })

  test.each([20, 21, 36, 37, 60, 5_000])(
    'are the same where it is known that all %s come, without a reserve',
    (rows) => {
      const draws = [true, false].map((isExact) => offered({ count: 5, isExact }, rows).finish()!)
      const [exact, most] = draws.map((set) => Array.from({ length: 5 }, (_, k) => rowsOf(set, k)))
      expect(exact).toEqual(most)
      expect(draws[0]!.size).toBe(10)
    },
  )

  test('take the memory that is said', () => {
    const options = { count: 7, size: 100, rows: 1_000, columns: 2 }
    const { values } = offered(options, 1_000).finish()!
    expect(rowDrawBytes(options)).toBe(values.byteLength + (values.length / 2) * 8)
    const exact = { ...options, isExact: true }
    expect(rowDrawBytes(exact)).toBe(offered(exact, 1_000).finish()!.values.byteLength + 7 * 100 * 8)
  })
})

describe('fewer rows than there might have been', () => {
  /** A draw that expects `most` rows and is offered the first `rows`. */
  const short = (options: Partial<RowDrawOptions>, most: number, rows: number) => {
    const draw = new RowDraw({ count: 1, size: 10, rows: most, columns: 2, seed: 5, stream: (k) => k, ...options })
    through(draw.draw())
    const block = numbered(0, rows)
    through(draw.offer(block, null, block.rows))
    return draw
  }

  test('the numbers drawn for rows that never came are replaced by the next ones that did', () => {
    // All that was drawn, in the order in which it was: sample, then reserve.
    const order = (k: number) => {
      const { values, size } = offered({ count: 40 }, 1_000).finish()!
      return [...values.subarray(2 * k * size, (2 * k + 1) * size)]
    }
    const set = short({ count: 40 }, 1_000, 930).finish()!
    for (let k = 0; k < 40; k++) {
      const come = order(k).filter((row) => row < 930)
      expect(rowsOf(set, k).sort()).toEqual(come.slice(0, 10).sort())
    }
  })

  test('where all were to come there is nothing to replace them with', () => {
    expect(short({ count: 40, isExact: true }, 1_000, 900).finish()).toBeNull()
  })

  test('they are uniform, too', () => {
    const tries = 2_400
    const set = short({ count: tries }, 66, 60).finish()!
    expect(chiSquare(set, tries, 60)).toBeLessThan(98)
  })

  test('are all in the sample when they fit', () => {
    expect(rowsOf(short({}, 12, 7).finish()!).sort()).toEqual([0, 1, 2, 3, 4, 5, 6])
    expect(rowsOf(short({}, 9, 4).finish()!)).toEqual([0, 1, 2, 3])
    expect(short({}, 9, 0).finish()!.filled).toBe(0)
  })

  test('with too few of them there is no sample, and a draw that knows their number has one', () => {
    expect(short({ count: 20 }, 1_000, 300).finish()).toBeNull()
    const set = offered({ count: 20 }, 300).finish()!
    for (let k = 0; k < 20; k++) expect(new Set(rowsOf(set, k)).size).toBe(10)
  })

  test('one in twenty that does not come is never too many', () => {
    expect(short({ count: 1_000, size: 256 }, 20_000, 19_000).finish()).not.toBeNull()
  })
})

/**
 * How far the rows of samples of ten are from equally frequent. Draws without replacement vary less than independent ones: the factor
 * is 59 / 50. With 59 degrees of freedom 98 is exceeded once in 1000.
 */
function chiSquare(set: SampleSet, samples: number, rows: number): number {
  const counts = new Float64Array(rows)
  for (let k = 0; k < samples; k++) {
    const at = k * set.columns * set.size
    for (const row of set.values.subarray(at, at + set.filled)) counts[row]! += 1
  }
  const expected = (samples * set.filled) / rows
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0) * (59 / 50)
}

import { describe, expect, test } from 'vitest'
import { createReservoir, fillSample, sampleOf } from '../../../src/kernels/sampling/reservoir.ts'
import { blockOf, normalRows, sampleFrom } from '../blocks.ts'

/** Numbered rows 0..count-1 in two columns, the second ten times the first. */
const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => [from + i, 10 * (from + i)])

function draw(count: number, size: number, stream: number, cuts: readonly number[] = []): number[] {
  const values = new Float64Array(2 * size)
  const reservoir = createReservoir({ values, columns: 2, size, seed: 5, stream })
  const edges = [0, ...cuts, count]
  for (let i = 1; i < edges.length; i++) {
    const rows = numbered(edges[i - 1]!, edges[i]!)
    reservoir.offer(blockOf(rows, 2), null, rows.length)
  }
  expect(reservoir.seen).toBe(count)
  expect(reservoir.filled).toBe(Math.min(count, size))
  for (let i = 0; i < reservoir.filled; i++) expect(values[size + i]).toBe(10 * values[i]!)
  return [...values.subarray(0, reservoir.filled)]
}

describe('the reservoir', () => {
  test('of no rows is empty, of fewer rows than its size holds them all', () => {
    expect(draw(0, 4, 1)).toEqual([])
    expect(draw(3, 4, 1)).toEqual([0, 1, 2])
    expect(draw(4, 4, 1)).toEqual([0, 1, 2, 3])
  })

  test('never holds a row twice', () => {
    for (let stream = 0; stream < 50; stream++) expect(new Set(draw(300, 64, stream)).size).toBe(64)
  })

  test('does not depend on how the stream is cut into blocks', () => {
    const whole = draw(1000, 32, 3)
    expect(draw(1000, 32, 3, [1, 2, 3, 500])).toEqual(whole)
    expect(draw(1000, 32, 3, [31, 32, 33, 999])).toEqual(whole)
    expect(
      draw(
        1000,
        32,
        3,
        Array.from({ length: 999 }, (_, i) => i + 1),
      ),
    ).toEqual(whole)
    expect(draw(1000, 32, 3, [400, 400])).toEqual(whole)
  })

  test('sees only the positions it is given', () => {
    const rows = numbered(0, 100)
    const even = Uint32Array.from({ length: 50 }, (_, i) => 2 * i)
    const values = new Float64Array(2 * 10)
    const reservoir = createReservoir({ values, columns: 2, size: 10, seed: 5, stream: 8 })
    reservoir.offer(blockOf(rows, 2), even, 50)
    expect(reservoir.seen).toBe(50)
    // The same as if the other rows were not there.
    expect([...values.subarray(0, 10)]).toEqual(draw(50, 10, 8).map((row) => 2 * row))
  })

  test('is uniform: each row is drawn equally often', () => {
    const counts = new Float64Array(60)
    const tries = 2400
    for (let stream = 0; stream < tries; stream++) for (const row of draw(60, 10, stream)) counts[row]! += 1
    const expected = (tries * 10) / 60
    // Draws without replacement vary less than independent ones: the factor is 59 / 50.
    const chiSquare = counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0) * (59 / 50)
    // 59 degrees of freedom: 98 is exceeded once in 1000
    expect(chiSquare).toBeLessThan(98)
  })

  test('is uniform far beyond its size: the mean row number is the middle', () => {
    const values = new Float64Array(256)
    const block = blockOf(
      Array.from({ length: 2000 }, (_, i) => [i]),
      1,
    )
    let sum = 0
    for (let stream = 0; stream < 40; stream++) {
      const reservoir = createReservoir({ values, columns: 1, size: 256, seed: 1, stream })
      const offset = (k: number) => ({ ...block, values: Float64Array.from(block.values, (v) => v + 2000 * k) })
      for (let k = 0; k < 10; k++) reservoir.offer(offset(k) as unknown as typeof block, null, 2000)
      sum += values.reduce((total, value) => total + value, 0) / 256
    }
    // Standard error of the mean of 40 * 256 rows out of 0..19999 is 57.
    expect(Math.abs(sum / 40 - 9999.5)).toBeLessThan(200)
  })

  test('ignores columns beyond its own', () => {
    const values = new Float64Array(5)
    createReservoir({ values, columns: 1, size: 5, seed: 1, stream: 1 }).offer(blockOf(numbered(0, 5), 2), null, 5)
    expect([...values]).toEqual([0, 1, 2, 3, 4])
  })
})

test('a sample of a set is a view of its slice', () => {
  const values = Float64Array.from({ length: 24 }, (_, i) => i)
  const shared = new Float64Array(new SharedArrayBuffer(8 * 24))
  shared.set(values)
  const sample = sampleOf({ values: shared, count: 3, size: 4, columns: 2, filled: 3 }, 2)
  expect([...sample.values]).toEqual([16, 17, 18, 19, 20, 21, 22, 23])
  expect(sample.filled).toBe(3)
})

test('filling a sample replaces what is not finite and leaves the rest', () => {
  const rows = normalRows(4, 2)
  rows[1] = [Number.NaN, 1]
  rows[3] = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY]
  const sample = sampleFrom(rows)
  fillSample(sample, Float64Array.of(7, 8))
  expect([sample.values[1], sample.values[5], sample.values[3], sample.values[7]]).toEqual([7, 1, 7, 8])
  expect(sample.values[0]).toBe(rows[0]![0])
})

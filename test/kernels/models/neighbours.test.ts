import { describe, expect, test } from 'vitest'
import { createNeighbourSearch, layReference } from '../../../src/kernels/models/neighbours.ts'
import { drawnRows, normalRows } from '../blocks.ts'
import { wave, waves } from '../oracle.ts'

/** The definition, in a few lines. */
function slowly(reference: number[][], point: number[], k: number, without = -1): number {
  const distances = reference
    .filter((_, r) => r !== without)
    .map((row) => Math.sqrt(row.reduce((sum, value, f) => sum + (value - point[f]!) ** 2, 0)))
    .sort((a, b) => a - b)
  return distances.slice(0, k).reduce((sum, distance) => sum + distance, 0) / k
}

const search = createNeighbourSearch()

function made(reference: number[][]) {
  const laid = layReference(Float64Array.from(reference.flat()), reference[0]!.length)
  return {
    meanDistance: (point: Float64Array, k: number, without: number) => search(laid, point, k, without),
  }
}

test('gives what scikit-learn 1.9 gives, neighbors.NearestNeighbors, mean of the seven nearest', () => {
  const near = made(waves(300, 5))
  const theirs = [1.7166971321411926, 5.785208571283348, 8.532325492122103]
  for (const [i, value] of [...theirs, 8.944899317995482, 7.1590373519470765, 4.075333531019465].entries()) {
    const point = Float64Array.from({ length: 5 }, (_, j) => wave(2000 + i, j) * (j === 4 ? 3 : 1))
    expect(near.meanDistance(point, 7, -1)).toBeCloseTo(value, 9)
  }
})

describe('finds the same neighbours as a look at all rows', () => {
  test.each([1, 2, 3, 4, 5, 9, 17])('with %i lanes', (lanes) => {
    const reference = normalRows(200, lanes, 3)
    const near = made(reference)
    for (const point of [
      ...normalRows(40, lanes, 4),
      ...reference.slice(0, 5),
      Array(lanes).fill(1e6),
      Array(lanes).fill(0),
    ])
      for (const k of [1, 5, 64])
        expect(near.meanDistance(Float64Array.from(point), k, -1) / slowly(reference, point, k) || 0).toBeCloseTo(
          slowly(reference, point, k) > 0 ? 1 : 0,
          9,
        )
  })

  test('with ties, and one of the rows left out', () => {
    const reference = drawnRows(120, 3, [0, 1, 2])
    const near = made(reference)
    for (let r = 0; r < 120; r++)
      expect(near.meanDistance(Float64Array.from(reference[r]!), 9, r)).toBeCloseTo(
        slowly(reference, reference[r]!, 9, r),
        12,
      )
  })

  test('with standardised extremes', () => {
    const reference = drawnRows(60, 3, [1e100, -1e100, 0, 1e-300, 1, -0])
    const near = made(reference)
    for (const point of reference) {
      const distance = near.meanDistance(Float64Array.from(point), 3, -1)
      expect(distance >= 0 && distance < Number.MAX_VALUE).toBe(true)
    }
  })
})

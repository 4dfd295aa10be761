/** What the two detectors that measure distances promise beside conformance. */
import { describe, expect, test } from 'vitest'
import { detector as neighbours } from '../../src/detectors/k-nearest-neighbours.ts'
import { detector as mahalanobis } from '../../src/detectors/mahalanobis.ts'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { blockOf, normal, normalRows } from '../kernels/blocks.ts'
import { scoreAll, train } from './train.ts'

const best = (scores: Float64Array) => scores.indexOf(Math.max(...scores))

describe.each([mahalanobis, neighbours])('$id', (detector) => {
  test('ranks distances up to 1e12 units in their order', () => {
    const { payload } = train(detector as never, blockOf(normalRows(500, 3)))
    const far = [5, 10, 1000, 1e6, 1e9, 1e12].map((value) => [value, 0, 0])
    const { scores } = scoreAll(detector as never, payload, blockOf(far))
    for (let i = 1; i < far.length; i++) expect(scores[i]).toBeGreaterThan(scores[i - 1]!)
    expect(scores[5]).toBeLessThan(1)
  })
})

test('mahalanobis sees a correlation that broke, with each value in its usual range', () => {
  const random = createRandom(5, 0)
  const rows = Array.from({ length: 1000 }, () => {
    const load = normal(random)
    return [load, load + 0.1 * normal(random), normal(random)]
  })
  const { payload } = train(mahalanobis, blockOf(rows))
  const { scores } = scoreAll(mahalanobis, payload, blockOf([...rows.slice(0, 200), [1.5, -1.5, 0]]))
  expect(best(scores)).toBe(200)
})

test('mahalanobis says when rows are too few for the features, and works all the same', () => {
  const { warnings, payload } = train(mahalanobis, blockOf(normalRows(30, 20)))
  expect(warnings.map(({ code }) => code)).toEqual(['few_rows_for_features'])
  expect(mahalanobis.describe(payload).shrinkage).toBeGreaterThan(0.1)
  expect(() =>
    mahalanobis.resolve(mahalanobis.params.parse({ type: 'mahalanobis' }), { rows: 5000, features: 1025 }),
  ).toThrow(expect.objectContaining({ code: 'training_too_large' }))
})

test('neighbours see a row between two kinds of rows, where no other row is', () => {
  const rows = normalRows(600, 2).map(([a, b], i) => [a! + (i % 2 ? 12 : -12), b!])
  const { payload } = train(neighbours, blockOf(rows))
  const { scores } = scoreAll(neighbours, payload, blockOf([...rows.slice(0, 200), [0, 0]]))
  expect(best(scores)).toBe(200)
})

test('neighbours say how many there are when there are few rows', () => {
  const { effective, warnings } = train(neighbours, blockOf(normalRows(4, 2)), 1, { neighbours: 10 })
  expect(effective).toMatchObject({ neighbours: 3, sampleSize: 4 })
  expect(warnings.map(({ code }) => code)).toEqual(['neighbours_clamped'])
})

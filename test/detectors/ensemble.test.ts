import { describe, expect, test } from 'vitest'
import { detector } from '../../src/detectors/ensemble.ts'
import { blockOf, normalRows } from '../kernels/blocks.ts'
import { isSame, scoreAll, train } from './train.ts'

const defaults = detector.params.parse({ type: 'ensemble' })
const shape = { rows: 1000, features: 3 }

describe('the score of an ensemble', () => {
  const trained = train(detector, blockOf(normalRows(12_000, 3)), 1)
  const { scores } = scoreAll(detector, trained.payload, blockOf(normalRows(20_000, 3, 2)))

  test.each([0.9, 0.99, 0.999])('says %d: that share of fresh rows of the same kind is at most as strange', (share) => {
    const above = scores.filter((score) => score > share).length / scores.length
    // 3,000 held-back rows and 20,000 fresh ones, each with four standard deviations.
    const allowed = 4 * Math.sqrt(share * (1 - share)) * (1 / Math.sqrt(3000) + 1 / Math.sqrt(20_000))
    expect(Math.abs(above - (1 - share))).toBeLessThan(allowed)
  })

  test('still ranks rows that are farther out than any it was calibrated by', () => {
    const far = [8, 16, 64, 1e3, 1e6, 1e12].map((value) => [value, -value, value])
    const { scores } = scoreAll(detector, trained.payload, blockOf(far))
    for (const [i, score] of scores.entries()) {
      expect(score < 1).toBe(true)
      expect(score).toBeGreaterThan(i === 0 ? 0.99 : scores[i - 1]!)
    }
  })

  test('has the trees of its forests, in order', () => {
    expect(trained.effective).toMatchObject({ sampleSize: 12_000, heldBack: 3000 })
    expect(detector.describe(trained.payload).trees).toBe(200)
    expect(detector.tree(trained.payload, 0)[0]).toHaveProperty('feature')
    expect(detector.tree(trained.payload, 199)[0]).toHaveProperty('cut')
  })
})

test('members and rule can be chosen, but no member twice, none unknown and not one alone', () => {
  const valid = (changes: object) => detector.params.safeParse({ type: 'ensemble', ...changes }).success
  expect(valid({ members: ['mahalanobis', 'isolation-forest'], combine: 'mean' })).toBe(true)
  for (const members of [['mahalanobis'], ['mahalanobis', 'mahalanobis'], ['mahalanobis', 'ensemble'], []])
    expect(valid({ members })).toBe(false)
  const block = blockOf(normalRows(300, 3))
  const payloads = ['soft', 'mean', 'max'].map((combine) => train(detector, block, 1, { combine }).payload)
  expect(isSame(payloads[0]!, payloads[1]!)).toBe(false)
  const two = train(detector, block, 1, { members: ['mahalanobis', 'k-nearest-neighbours'] }).payload
  expect(detector.describe(two).trees).toBe(0)
})

test('says when no row can be held back, and what its members have to say', () => {
  const codes = (rows: number) => detector.resolve(defaults, { ...shape, rows }).warnings.map(({ code }) => code)
  expect(codes(100_000)).toEqual([])
  expect(codes(100)).toContain('not_held_back')
  const { warnings } = detector.resolve(defaults, { rows: 200, features: 100 })
  expect(warnings.map(({ detail }) => detail).join()).toContain('mahalanobis: ')
})

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

describe('an ensemble with views', () => {
  const rows = normalRows(4000, 5)
  const members = ['isolation-forest', 'mahalanobis']
  const settings = { members, combine: 'mean', views: true }
  const { payload, effective } = train(detector, blockOf(rows), 1, settings, 3)

  test('asks every member about all features, the measured and the others, and is calibrated still', () => {
    expect(effective).toMatchObject({ measured: 3, heldBack: 1000 })
    expect(detector.describe(payload).trees).toBe(300)
    const features = (tree: number) =>
      detector.tree(payload, tree).flatMap((node) => ('feature' in node ? node.feature : []))
    expect(Math.max(...features(0), ...features(1), ...features(2))).toBe(4)
    expect(Math.max(...features(100), ...features(101), ...features(102))).toBe(2)
    expect(Math.max(...features(200), ...features(201), ...features(202))).toBe(1)
    const { scores } = scoreAll(detector, payload, blockOf(normalRows(20_000, 5, 2)))
    const above = scores.filter((score) => score > 0.99).length / scores.length
    expect(Math.abs(above - 0.01)).toBeLessThan(0.014)
  })

  test('takes the mean of its views: a row strange in one of them only ranks below one strange in both', () => {
    const strange = [
      [0, 0, 0, 0, 0],
      [6, 0, 0, 0, 0],
      [0, 0, 0, 6, 0],
      [6, 0, 0, 6, 0],
    ]
    const [calm, measured, derived, both] = scoreAll(detector, payload, blockOf(strange)).scores
    expect(calm).toBeLessThan(0.5)
    for (const one of [measured!, derived!]) {
      expect(one).toBeGreaterThan(0.95)
      expect(one).toBeLessThan(both!)
    }
  })

  test('fills and marks what is missing in any view', () => {
    const holes = blockOf([
      [Number.NaN, 0, 0, 0, 0],
      [0, 0, 0, 0, Number.NaN],
      [0, 0, 0, 0, 0],
    ])
    const { scores, flags } = scoreAll(detector, payload, holes, new Float64Array(5))
    expect([...flags]).toEqual([1, 1, 0])
    expect(new Set(scores).size).toBe(1)
    expect([...scoreAll(detector, payload, holes).flags]).toEqual([2, 2, 0])
  })

  test('has none where nothing is derived, and the bytes of one that was not asked for them', () => {
    const block = blockOf(rows)
    const plain = train(detector, block, 1, { ...settings, views: false }).payload
    for (const measured of [undefined, 0, 5])
      expect(isSame(train(detector, block, 1, settings, measured).payload, plain)).toBe(true)
    // The version of the format.
    expect([plain[4], payload[4]]).toEqual([1, 2])
  })

  test('refuses a view that reaches beyond the features, as model_corrupt', () => {
    const damaged = payload.slice()
    // Word 3 of the third member: the lanes of the forest on what is measured.
    new DataView(damaged.buffer).setUint32(32 + 2 * 16 + 12, 6, true)
    expect(() => detector.check(damaged, 5)).toThrow('damaged')
  })
})

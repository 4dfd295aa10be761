/** What every detector must do, whatever its algorithm. A new file in `src/detectors` is tested without a change here. */
import { describe, expect, test } from 'vitest'
import { detectorSettings, detectors } from '../../src/detectors/index.ts'
import { DeepWatchError } from '../../src/errors.ts'
import { blockOf, drawnRows, hostileValues, normalRows } from '../kernels/blocks.ts'
import { defaultsOf, isSame, scoreAll, train } from './train.ts'

test('some detectors were found', () => {
  expect(detectors.size).toBeGreaterThan(0)
  expect([...detectors.keys()]).toContain('isolation-forest')
})

describe.each([...detectors.values()])('the detector $id', (detector) => {
  const rows = normalRows(500, 4)
  const block = blockOf(rows)
  const trained = train(detector, block)

  test('has a kebab-case id, a title and a paper, and settings that are told apart by its id', () => {
    expect(detector.id).toMatch(/^[a-z][a-z0-9-]*$/)
    expect(detector.title.length * detector.paper.length).toBeGreaterThan(0)
    expect(detectorSettings.parse({ type: detector.id }).type).toBe(detector.id)
  })

  test('refuses a setting it does not know', () => {
    expect(detector.params.safeParse({ type: detector.id, colour: 'red' }).success).toBe(false)
    expect(detector.params.safeParse({ type: 'something-else' }).success).toBe(false)
  })

  test('has every default in its schema, and effective settings that survive JSON', () => {
    expect(detector.params.parse(defaultsOf(detector))).toEqual(defaultsOf(detector))
    expect(JSON.parse(JSON.stringify(trained.effective))).toEqual(trained.effective)
    expect(trained.effective.type).toBe(detector.id)
  })

  test('refuses to learn from a single row', () => {
    expect(() => detector.resolve(defaultsOf(detector), { rows: 1, features: 4 })).toThrow(DeepWatchError)
  })

  test('gives the same bytes for the same seed and others for another', () => {
    expect(isSame(train(detector, block).payload, trained.payload)).toBe(true)
    // More rows than any detector looks at, so that the seed decides which.
    const many = blockOf(normalRows(20_000, 2))
    expect(isSame(train(detector, many, 2).payload, train(detector, many, 3).payload)).toBe(false)
  })

  test('needs no more bytes than it announced', () => {
    expect(trained.payload.byteLength).toBeLessThanOrEqual(detector.mostBytes(defaultsOf(detector), 4))
  })

  test('gives a payload that passes its own check, for its number of features only', () => {
    detector.check(trained.payload, 4)
    expect(() => detector.check(trained.payload, 5)).toThrow(DeepWatchError)
    expect(detector.describe(trained.payload).bytes).toBe(trained.payload.byteLength)
  })

  test('refuses a payload that is cut or of something else, as model_corrupt', () => {
    for (const bytes of [new Uint8Array(0), new Uint8Array(100), trained.payload.subarray(0, -1)]) {
      const codeOf = (work: () => unknown) => {
        try {
          work()
          return 'passed'
        } catch (error) {
          return (error as DeepWatchError).code
        }
      }
      expect(codeOf(() => detector.check(bytes, 4))).toBe('model_corrupt')
      expect(codeOf(() => detector.describe(bytes))).toBe('model_corrupt')
      expect(codeOf(() => scoreAll(detector, bytes, block))).toBe('model_corrupt')
    }
  })

  test('gives finite scores in [0, 1]', () => {
    const { scores, flags } = scoreAll(detector, trained.payload, block)
    for (const score of scores) expect(score >= 0 && score <= 1).toBe(true)
    expect(flags.every((flag) => flag === 0)).toBe(true)
  })

  test('ranks a planted far row first', () => {
    const planted = blockOf([...rows, [9, -9, 9, -9]])
    const { scores } = scoreAll(detector, train(detector, planted).payload, planted)
    expect(scores.indexOf(Math.max(...scores))).toBe(500)
  })

  test('scores a row the same whatever other rows are scored with it', () => {
    const { scores } = scoreAll(detector, trained.payload, block)
    for (const r of [0, 123, 499]) {
      expect(scoreAll(detector, trained.payload, blockOf([rows[r]!])).scores[0]).toBe(scores[r])
    }
  })

  test('scores a row that was filled like one that came so, and does not score it otherwise', () => {
    const holes = blockOf([
      [1, Number.NaN, 0, 0],
      [1, 0.5, Number.POSITIVE_INFINITY, 0],
      [1, 0.5, 0, 0],
    ])
    const filled = scoreAll(detector, trained.payload, holes, Float64Array.of(0, 0.5, 0, 0))
    expect([...filled.flags]).toEqual([1, 1, 0])
    expect(new Set(filled.scores).size).toBe(1)
    const unfilled = scoreAll(detector, trained.payload, holes)
    expect([...unfilled.flags]).toEqual([2, 3, 0])
    expect([...unfilled.scores].map(Number.isNaN)).toEqual([true, true, false])
  })

  test('learns from constant features, equal rows and two rows', () => {
    for (const given of [rows.map(([a, b, c]) => [a!, b!, c!, 7]), Array(50).fill([1, 2, 3, 4]), rows.slice(0, 2)]) {
      const { payload } = train(detector, blockOf(given))
      for (const score of scoreAll(detector, payload, block).scores) expect(score >= 0 && score <= 1).toBe(true)
    }
  })

  test('learns from and scores hostile values', () => {
    const hostile = blockOf(drawnRows(300, 4, hostileValues))
    const { payload } = train(detector, hostile)
    for (const score of scoreAll(detector, payload, hostile).scores) expect(score >= 0 && score <= 1).toBe(true)
  })

  test('answers tree_not_found for a tree that is not there', () => {
    const { trees = 0 } = detector.describe(trained.payload)
    for (const index of [-1, trees, 0.5, Number.NaN]) {
      expect(() => detector.tree(trained.payload, index)).toThrow(expect.objectContaining({ code: 'tree_not_found' }))
    }
  })
})

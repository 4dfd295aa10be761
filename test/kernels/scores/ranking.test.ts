import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createEventJudge } from '../../../src/kernels/history/events.ts'
import { createScoreList } from '../../../src/kernels/scores/list.ts'
import { f1Of, rank } from '../../../src/kernels/scores/ranking.ts'

/** Straight from the definitions: every pair, every threshold. */
function byHand(positive: readonly number[], negative: readonly number[]) {
  let wins = 0
  for (const p of positive) for (const n of negative) wins += p > n ? 1 : p === n ? 0.5 : 0
  const steps = [...new Set([...positive, ...negative])].sort((a, b) => b - a)
  let averagePrecision = 0
  let recall = 0
  let f1 = 0
  for (const step of steps) {
    const tp = positive.filter((score) => score >= step).length
    const fp = negative.filter((score) => score >= step).length
    averagePrecision += (tp / positive.length - recall) * (tp / (tp + fp))
    recall = tp / positive.length
    f1 = Math.max(f1, (2 * tp) / (positive.length + tp + fp))
  }
  return { rocAuc: wins / positive.length / negative.length, averagePrecision, f1 }
}

describe('ranking', () => {
  test('gives the figures of scikit-learn 1.9 on a small set with ties', () => {
    const labels = [0, 1, 0, 1, 1, 0, 0, 1, 0, 0]
    const scores = [0.1, 0.4, 0.4, 0.8, 0.4, 0.8, 0.2, 0.9, 0.2, 0.1]
    const of = (label: number) => Float64Array.from(scores.filter((_, index) => labels[index] === label))
    const { rocAuc, averagePrecision, best } = rank({ positive: of(1), negative: of(0) })
    expect(rocAuc).toBeCloseTo(0.8541666666666667, 12)
    expect(averagePrecision).toBeCloseTo(0.75, 12)
    expect(best.f1).toBeCloseTo(0.8, 12)
    // Flagged is what lies above: 0.2 flags everything from 0.4 up.
    expect(best.threshold).toBe(0.2)
  })

  test('agrees with the definitions, ties included, and its threshold gives its F1', () => {
    const score = fc.oneof(
      fc.integer({ min: 0, max: 8 }).map((n) => n / 8),
      fc.double({ min: 0, max: 1, noNaN: true }),
    )
    const scores = fc.array(score, { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(scores, scores, (positive, negative) => {
        const expected = byHand(positive, negative)
        const { rocAuc, averagePrecision, best } = rank({
          positive: Float64Array.from(positive),
          negative: Float64Array.from(negative),
        })
        expect(rocAuc).toBeCloseTo(expected.rocAuc, 12)
        expect(averagePrecision).toBeCloseTo(expected.averagePrecision, 12)
        // A score of exactly 0 cannot be flagged, since no threshold lies below it; forests give none.
        if (Math.min(...positive, ...negative) > 0) {
          expect(best.f1).toBeCloseTo(expected.f1, 12)
          const above = (list: readonly number[]) => list.filter((each) => each > best.threshold).length
          expect(f1Of(above(positive), above(negative), positive.length - above(positive))).toBeCloseTo(best.f1, 12)
        }
      }),
    )
  })

  test('a list of scores keeps their order over its chunks', () => {
    const list = createScoreList()
    for (let i = 0; i < 150_000; i++) list.push(i)
    expect(list.length).toBe(150_000)
    const all = list.toArray()
    expect(all.length).toBe(150_000)
    expect(all.every((value, index) => value === index)).toBe(true)
    expect(createScoreList().toArray().length).toBe(0)
  })
})

describe('events', () => {
  const hour = 3600e6
  /** One entity, one row an hour: `L` labelled, `F` flagged, `B` both, `.` neither, `?` unlabelled. */
  function judge(pattern: string, entity = 'a') {
    const judge = createEventJudge()
    for (const [index, mark] of [...pattern].entries())
      judge.row(entity, index * hour, mark === '?' ? Number.NaN : 'LB'.includes(mark) ? 1 : 0, 'FB'.includes(mark))
    return judge.figures()
  }

  test.each([
    ['....', { events: 0, found: 0, medianDelaySeconds: null, falseAlarms: 0 }],
    ['.LLL.', { events: 1, found: 0, medianDelaySeconds: null, falseAlarms: 0 }],
    ['.LLB.', { events: 1, found: 1, medianDelaySeconds: 7200, falseAlarms: 0 }],
    ['.BBB.', { events: 1, found: 1, medianDelaySeconds: 0, falseAlarms: 0 }],
    ['.BL.LB.B', { events: 3, found: 3, medianDelaySeconds: 0, falseAlarms: 0 }],
    ['.B.LLB.LB', { events: 3, found: 3, medianDelaySeconds: 3600, falseAlarms: 0 }],
    ['FF.F..F', { events: 0, found: 0, medianDelaySeconds: null, falseAlarms: 3 }],
    // An alarm that begins before the incident or outlasts it is not false.
    ['.FBBF.', { events: 1, found: 1, medianDelaySeconds: 0, falseAlarms: 0 }],
    ['L?L', { events: 2, found: 0, medianDelaySeconds: null, falseAlarms: 0 }],
  ])('%s', (pattern, expected) => {
    expect(judge(pattern)).toMatchObject(expected)
  })

  test('entities are told apart, and alarms are counted per entity and day', () => {
    const events = createEventJudge()
    for (let row = 0; row <= 24; row++) {
      for (const entity of ['a', 'b'])
        events.row(entity, row * hour, entity === 'a' && row >= 5 && row < 8 ? 1 : 0, entity === 'b' && row % 12 === 3)
    }
    expect(events.figures()).toEqual({
      events: 1,
      found: 0,
      medianDelaySeconds: null,
      falseAlarms: 2,
      entityDays: 2,
      falseAlarmsPerEntityDay: 1,
    })
  })
})

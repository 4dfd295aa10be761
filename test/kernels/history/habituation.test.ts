import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Habituation, type HabituationRule } from '../../../src/kernels/history/habituation.ts'

const odds = (score: number) => score / Math.max(1 - score, Number.EPSILON / 2)
/** Around the line, where something happens, and everywhere. */
const score = fc.oneof(fc.double({ min: 0, max: 1, noNaN: true }), fc.constantFrom(0.2, 0.98, 0.991, 0.995, 0.999, 1))
const rule = fc.record({ rows: fc.integer({ min: 2, max: 20 }), line: fc.constantFrom(0, 0.5, 0.99, 1) })

/** By the definition: is the score above the line, and at most four times what half of the window reaches? */
function isHeld(before: readonly number[], now: number, { rows, line }: HabituationRule): boolean {
  const inside = before.slice(-rows)
  const reaching = inside.filter((each) => odds(each) * 4 >= odds(now) * (1 - 1e-12))
  return now > line && inside.length >= rows / 2 && reaching.length >= rows / 2
}

test('holds back what half of the window before it nearly reached, and leaves the rest as it is', () => {
  fc.assert(
    fc.property(fc.array(score, { maxLength: 60 }), rule, (scores, asked) => {
      const habituation = new Habituation(asked)
      scores.forEach((now, index) => {
        const become = habituation.take(now)
        if (isHeld(scores.slice(0, index), now, asked)) {
          expect(become).toBeLessThanOrEqual(asked.line)
          expect(odds(become)).toBeGreaterThanOrEqual(odds(asked.line) * (1 - 1 / 64) * (1 - 1e-9))
        } else expect(become).toBe(now)
      })
    }),
    { numRuns: 500 },
  )
})

test('goes on from what was stored, to the bit', () => {
  fc.assert(
    fc.property(fc.array(score, { maxLength: 60 }), rule, fc.nat(60), (scores, asked, cut) => {
      const whole = new Habituation(asked)
      let kept = new Habituation(asked)
      scores.forEach((now, index) => {
        const become = whole.take(now)
        if (index === cut) kept = new Habituation(asked, whole.store())
        else if (index > cut) expect(kept.take(now)).toBe(become)
      })
      expect(whole.store()).toEqual(Float64Array.from(scores.slice(-asked.rows)))
    }),
    { numRuns: 300 },
  )
})

test('a state that lasts is flagged for half of the window; what is far beyond it is flagged still', () => {
  const habituation = new Habituation({ rows: 100, line: 0.99 })
  const flags = (score: number, rows: number) =>
    Array.from({ length: rows }, () => habituation.take(score)).filter((become) => become > 0.99).length
  expect(flags(0.3, 300)).toBe(0)
  expect(flags(0.998, 300)).toBe(50)
  expect(flags(0.9999, 1)).toBe(1)
  expect(flags(0.3, 51)).toBe(0)
  expect(flags(0.998, 1)).toBe(1)
})

test('keeps the order of what it holds back', () => {
  const rising = [0.991, 0.993, 0.995, 0.999, 0.9999, 1]
  const held = rising.map((now) => {
    const habituation = new Habituation({ rows: 4, line: 0.99 })
    for (let i = 0; i < 4; i++) habituation.see(1)
    return habituation.take(now)
  })
  expect(held).toEqual(held.toSorted((a, b) => a - b))
  expect(new Set(held.slice(0, -1)).size).toBe(rising.length - 1)
})

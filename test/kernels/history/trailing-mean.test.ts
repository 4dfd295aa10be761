import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type MeanWindow, TrailingMean } from '../../../src/kernels/history/trailing-mean.ts'

const scores = fc.array(
  fc.record({ wait: fc.integer({ min: -2, max: 5 }), score: fc.double({ min: 0, max: 1, noNaN: true }) }),
  { maxLength: 60 },
)
const window = fc.oneof(
  fc.integer({ min: 1, max: 20 }).map((rows): MeanWindow => ({ rows, micros: null })),
  fc.integer({ min: 1, max: 20 }).map((micros): MeanWindow => ({ rows: null, micros })),
)

test('is the mean of the scores in the window, to the bit wherever the scores began', () => {
  fc.assert(
    fc.property(scores, window, fc.nat(60), (list, asked, cut) => {
      const whole = new TrailingMean(asked)
      const seen: { time: number; score: number }[] = []
      let time = 100
      let kept = new TrailingMean(asked)
      list.forEach(({ wait, score }, index) => {
        time += wait
        // A late one counts as of the time of the one before.
        seen.push({ time: Math.max(time, seen.at(-1)?.time ?? time), score })
        const now = seen.at(-1)!.time
        const inside =
          asked.rows === null ? seen.filter((each) => now - each.time < asked.micros!) : seen.slice(-asked.rows)
        const mean = whole.take(score, time)
        expect(mean).toBeCloseTo(inside.reduce((sum, each) => sum + each.score, 0) / inside.length, 12)
        expect(whole.count).toBe(inside.length)
        if (index === cut) kept = new TrailingMean(asked, whole.store())
        else if (index > cut) expect(kept.take(score, time)).toBe(mean)
      })
    }),
    { numRuns: 300 },
  )
})

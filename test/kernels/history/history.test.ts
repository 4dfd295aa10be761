import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ExactSum } from '../../../src/kernels/history/exact-sum.ts'
import { type Derivation, type Derive, derives } from '../../../src/kernels/history/figures.ts'
import { History, rowHistory } from '../../../src/kernels/history/history.ts'

/** Rows of one entity: seconds and value. */
type Row = readonly [time: number, value: number]

const second = 1e6
const day = 86_400 * second

/** What a figure is, told by looking at every row seen so far. */
function twin(rows: readonly Row[], { derive, rows: back, micros, maxGap }: Derivation): number {
  const last = rows.length - 1
  const [now, value] = rows[last]!
  let since = last
  while (since > 0 && rows[since]![0] - rows[since - 1]![0] <= (maxGap ?? Infinity)) since--
  const at = (row: number) => (row >= since ? rows[row]![1] : Number.NaN)
  const heldBefore = (ago: number) => {
    const then = now - ago
    const found = rows.findLast(([time]) => time <= then)
    return found && then - found[0] <= (maxGap ?? ago) ? found[1] : Number.NaN
  }
  const lagged = () => (back === null ? heldBefore(micros!) : last - back >= since ? at(last - back) : Number.NaN)
  if (derive === 'sameTimeYesterday') return heldBefore(day)
  if (derive === 'lag') return lagged()
  if (derive === 'diff') return value - lagged()
  const reaches = (rowsNeeded: number) =>
    back === null ? rows[since]![0] <= now - micros! : last - since + 1 >= rowsNeeded
  if (derive === 'rate') {
    if (!reaches((back ?? 0) + 1)) return Number.NaN
    const steps = rows
      .slice(since)
      .filter(([time], i) => (back === null ? time >= now - micros! : since + i >= last - back))
    const seconds = (now - steps[0]![0]) / second
    if (seconds === 0) return Number.NaN
    let sum = 0
    for (let i = 1; i < steps.length; i++) {
      const [before, after] = [steps[i - 1]![1], steps[i]![1]]
      if (Number.isNaN(before) || Number.isNaN(after)) return Number.NaN
      sum += after >= before ? after - before : after
    }
    return sum / seconds
  }
  const before = derive === 'zScore' || derive === 'distance'
  const end = before ? last - 1 : last
  const window = rows.filter(([time], row) => {
    if (row < since || row > end) return false
    if (back !== null) return row > end - back
    return before ? time >= now - micros! : time > now - micros!
  })
  if (!reaches(back === null ? 0 : back + (before ? 1 : 0))) return Number.NaN
  const known = window.map(([, each]) => each).filter((each) => !Number.isNaN(each))
  const least = derive === 'rollingStd' || derive === 'zScore' ? 2 : 1
  if (known.length < Math.max(least, back === null ? 2 : 1, Math.ceil(window.length / 2))) return Number.NaN
  if (derive === 'rollingMin') return Math.min(...known)
  if (derive === 'rollingMax') return Math.max(...known)
  const mean = known.reduce((sum, each) => sum + each, 0) / known.length
  if (derive === 'rollingMean') return mean
  const isConstant = known.every((each) => each === known[0])
  const std = isConstant ? 0 : Math.sqrt(known.reduce((sum, each) => sum + (each - mean) ** 2, 0) / known.length)
  if (derive === 'rollingStd') return std
  const away = value - (isConstant ? known[0]! : mean)
  if (derive === 'distance' || away === 0 || Number.isNaN(away)) return away
  return Math.min(1e6, Math.max(-1e6, away / std))
}

const steps = fc.array(
  fc.record({
    // Often the same time again, now and then a gap.
    wait: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 3 }) },
      { weight: 1, arbitrary: fc.integer({ min: 4, max: 40 }) },
    ),
    value: fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: 0, max: 5 }) },
      { weight: 3, arbitrary: fc.double({ min: -100, max: 100, noNaN: true }) },
      { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Number.POSITIVE_INFINITY, 1e9 + 0.25) },
    ),
  }),
  { minLength: 1, maxLength: 60 },
)

function rowsOf(list: readonly { readonly wait: number; readonly value: number }[], unit = second): Row[] {
  let time = 1_700_000_000 * second
  return list.map(({ wait, value }) => {
    time += wait * unit
    return [time, Number.isFinite(value) ? value : Number.NaN]
  })
}

function figures(history: History, rows: readonly Row[], count = 1): number[][] {
  const out = new Float64Array(count)
  return rows.map(([time, value]) => {
    history.take(time, [value], out)
    return [...out]
  })
}

const derivation = (derive: Derive, more: Partial<Derivation>): Derivation => ({
  column: 0,
  derive,
  rows: null,
  micros: null,
  maxGap: null,
  ...more,
})
const shape = fc.record({
  derive: fc.constantFrom(...derives.filter((derive) => derive !== 'sameTimeYesterday')),
  reach: fc.oneof(
    fc.integer({ min: 1, max: 9 }).map((rows) => ({ rows })),
    fc.integer({ min: 1, max: 15 }).map((seconds) => ({ micros: seconds * second })),
  ),
  maxGap: fc.option(fc.integer({ min: 1, max: 8 }).map((seconds) => seconds * second)),
})

test('every figure is what a look at all the rows says, with gaps, equal times and missing values', () => {
  fc.assert(
    fc.property(steps, shape, (list, { derive, reach, maxGap }) => {
      const asked = derivation(derive, { ...reach, maxGap })
      const rows = rowsOf(list)
      const found = figures(new History({ columns: 1, derivations: [asked] }), rows)
      rows.forEach((_, row) => {
        const expected = twin(rows.slice(0, row + 1), asked)
        const [value] = found[row]!
        if (Number.isNaN(expected)) expect(value).toBeNaN()
        else expect(Math.abs(value! - expected)).toBeLessThanOrEqual(1e-9 * Math.max(1, Math.abs(expected)))
      })
    }),
    { numRuns: 600 },
  )
})

test('yesterday is what held 24 hours ago, and unknown when nothing was seen then', () => {
  const asked = derivation('sameTimeYesterday', { micros: day, maxGap: 7200 * second })
  fc.assert(
    fc.property(steps, (list) => {
      const rows = rowsOf(list, 3600 * second)
      const found = figures(new History({ columns: 1, derivations: [asked] }), rows)
      const expected = rows.map((_, row) => twin(rows.slice(0, row + 1), asked))
      expect(found.flat()).toEqual(expected)
    }),
  )
})

test('a stream begun later and a history that was restored give the same bits', () => {
  fc.assert(
    fc.property(steps, fc.array(shape, { minLength: 1, maxLength: 5 }), fc.nat(60), (list, shapes, cut) => {
      const derivations = shapes.map(({ derive, reach, maxGap }) => derivation(derive, { ...reach, maxGap }))
      const plan = { columns: 1, derivations }
      const rows = rowsOf(list)
      const whole = figures(new History(plan), rows, derivations.length)
      const begun = new History(plan)
      figures(begun, rows.slice(0, cut), derivations.length)
      const rest = rows.slice(cut)
      const restored = new History(plan, begun.store())
      expect(restored.rows).toBe(begun.rows)
      expect(figures(restored, rest, derivations.length)).toEqual(whole.slice(cut))
      // Later means less history: what is known is the same nevertheless.
      for (const [row, values] of figures(new History(plan), rest, derivations.length).entries())
        for (const [index, value] of values.entries())
          if (!Number.isNaN(value)) expect(value).toBe(whole[cut + row]![index])
    }),
    { numRuns: 300 },
  )
})

test('what lies far outside leaves nothing behind', () => {
  const plan = {
    columns: 1,
    derivations: derives
      .filter((derive) => derive !== 'sameTimeYesterday')
      .map((derive) => derivation(derive, { rows: 4 })),
  }
  const calm = Array.from({ length: 12 }, (_, i): Row => [i * second + 1e9, 0.1 * i + 1e-9])
  const wild: Row[] = [1e308, -1e308, 1e300, 5e-324, 1e16, -1e154].map((value, i) => [i * second, value])
  const found = figures(new History(plan), [...wild, ...calm], plan.derivations.length)
  const quiet = figures(new History(plan), calm, plan.derivations.length)
  expect(found.slice(-7)).toEqual(quiet.slice(-7))
  expect(found.flat().some((value) => value === Infinity || value === -Infinity)).toBe(false)
})

test('a deviation of the largest doubles is one of theirs', () => {
  const plan = {
    columns: 1,
    derivations: (['rollingMean', 'rollingStd'] as const).map((derive) => derivation(derive, { rows: 4 })),
  }
  const rows = [1.5e308, 1.1e308, 1.7e308, 1.7e308].map((value, i): Row => [i * second, value])
  const [mean, std] = figures(new History(plan), rows, 2).at(-1)!
  expect(mean! / 1.5e308).toBeCloseTo(1, 12)
  expect(std! / 2.449489742783178e307).toBeCloseTo(1, 12)
})

test('a window of any length costs the same, whatever is in it', () => {
  const plan = { columns: 1, derivations: [derivation('zScore', { rows: 50_000 })] }
  for (const jitter of [(i: number) => 1e9 * (1 + (i % 2) * 2 ** -52), (i: number) => 1e200 + i * 1e190]) {
    const rows = Array.from({ length: 100_000 }, (_, i): Row => [i, jitter(i)])
    const started = performance.now()
    figures(new History(plan), rows)
    // Two passes over each window would take minutes.
    expect(performance.now() - started).toBeLessThan(5000)
  }
})

test('a deviation is found where the mean is a million million times larger', () => {
  const plan = { columns: 1, derivations: [derivation('rollingStd', { rows: 4 })] }
  const rows = [1, 2, 3, 4].map((value, i): Row => [i * second, 1e12 + value])
  expect(figures(new History(plan), rows).at(-1)).toEqual([Math.sqrt(1.25)])
})

test('a row that comes late, or without a time, changes nothing', () => {
  const plan = { columns: 1, derivations: [derivation('lag', { rows: 1 })] }
  const history = new History(plan)
  const out = new Float64Array(1)
  expect(history.take(10, [1], out)).toBe(rowHistory.insufficient)
  expect(history.take(9, [5], out)).toBe(rowHistory.late)
  expect(history.take(Number.NaN, [6], out)).toBe(rowHistory.insufficient)
  expect(out[0]).toBeNaN()
  expect(history.take(10, [2], out)).toBe(rowHistory.complete)
  expect(out[0]).toBe(1)
})

test('memory is bounded by the window', () => {
  const plan = { columns: 1, derivations: [derivation('rollingMax', { rows: 12 }), derivation('lag', { micros: 20 })] }
  const history = new History(plan)
  const out = new Float64Array(2)
  for (let i = 0; i < 100_000; i++) history.take(i, [100_000 - i], out)
  expect(history.rows).toBeLessThan(24)
  expect(history.bytes).toBeLessThan(4096)
})

test('an exact sum forgets what was taken out', () => {
  const numbers = fc.array(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e300, max: 1e300 }), {
    maxLength: 30,
  })
  fc.assert(
    fc.property(numbers, numbers, (kept, gone) => {
      const sum = new ExactSum()
      const fresh = new ExactSum()
      for (const value of gone) sum.add(value)
      for (const value of kept) sum.add(value)
      for (const value of gone) sum.add(value, -1)
      for (const value of kept.toReversed()) fresh.add(value)
      sum.read()
      fresh.read()
      expect([sum.high, sum.rest]).toEqual([fresh.high, fresh.rest])
    }),
  )
  const sum = new ExactSum()
  for (const value of [1e16, 1, -1e16, 2 ** -60]) sum.add(value)
  sum.read()
  expect(sum.high).toBe(1)
  expect(sum.rest).toBe(2 ** -60)
})

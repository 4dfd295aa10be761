/** The figures of a history: each looks at the trailing rows of one column and follows them row by row. */
import { ExactSum } from './exact-sum.ts'
import { Moments } from './moments.ts'
import type { TrailingRows } from './trailing-rows.ts'

/** What can be derived from the trailing rows of an entity, and how it is asked for. */
export const derives = [
  'lag',
  'diff',
  'rate',
  'rollingMean',
  'rollingStd',
  'rollingMin',
  'rollingMax',
  'zScore',
  'distance',
  'sameTimeYesterday',
] as const
export type Derive = (typeof derives)[number]

/** One derived value per row. */
export interface Derivation {
  /** Index of the base column. */
  readonly column: number
  readonly derive: Derive
  /** How far back: rows, or microseconds; exactly one of them. A day for `sameTimeYesterday`, which is a lag otherwise. */
  readonly rows: number | null
  readonly micros: number | null
  /** Two neighbouring rows further apart (microseconds) are a gap, before which nothing counts; null when there is none. */
  readonly maxGap: number | null
}

/** Follows the rows of a history: is asked once per row, after it was taken, and gives NaN for "not known". */
export type Figure = (rows: TrailingRows) => number

/** Deviations further out tell nothing more; also what a move after a constant value counts. */
const maxDeviations = 1e6

export function createFigure(derivation: Derivation): Figure {
  const { derive } = derivation
  if (derive === 'lag' || derive === 'sameTimeYesterday') return lag(derivation)
  if (derive === 'diff') return difference(derivation)
  if (derive === 'rate') return rate(derivation)
  if (derive === 'rollingMin') return overWindow(derivation, extreme(derivation, -1))
  if (derive === 'rollingMax') return overWindow(derivation, extreme(derivation, 1))
  return overWindow(derivation, rolling(derivation))
}

/** The trailing run of rows without a gap: number and time of its first row. */
class GapFreeRun {
  since = 0
  /** The first row may be forgotten, not when it was. */
  sinceTime = Number.NaN
  private before = Number.NaN

  /** Whether the newest row begins a new run. */
  begins(rows: TrailingRows, maxGap: number | null): boolean {
    const time = rows.time(rows.newest)
    const begins = !(time - this.before <= (maxGap ?? Number.POSITIVE_INFINITY))
    if (begins) {
      this.since = rows.newest
      this.sinceTime = time
    }
    this.before = time
    return begins
  }
}

/** The value that held then: n rows back, or the last one at or before that time unless a gap lies between. */
function lag({ column, rows: back, micros, maxGap }: Derivation): Figure {
  const run = new GapFreeRun()
  let cursor = 0
  return (rows) => {
    run.begins(rows, maxGap)
    if (back !== null) {
      const row = rows.newest - back
      return row >= run.since ? rows.value(column, row) : Number.NaN
    }
    const then = rows.time(rows.newest) - micros!
    cursor = Math.max(cursor, rows.oldest)
    while (cursor < rows.newest && rows.time(cursor + 1) <= then) cursor++
    const age = then - rows.time(cursor)
    return age >= 0 && age <= (maxGap ?? micros!) ? rows.value(column, cursor) : Number.NaN
  }
}

function difference(derivation: Derivation): Figure {
  const before = lag(derivation)
  return (rows) => bounded(rows.value(derivation.column, rows.newest) - before(rows))
}

/** The growth of a counter per second over the window, every drop counted as a start from zero. */
function rate({ column, rows: back, micros, maxGap }: Derivation): Figure {
  const run = new GapFreeRun()
  const sum = new ExactSum()
  /** The row from which growth is counted; steps that touch a value which is not known. */
  let base = 0
  let unknown = 0

  /** Puts the growth from the row before to this one in (1), or takes it out (-1). */
  function step(rows: TrailingRows, row: number, sign: 1 | -1): void {
    const before = rows.value(column, row - 1)
    const value = rows.value(column, row)
    const growth = value >= before ? bounded(value - before) : value
    if (Number.isNaN(growth) || Number.isNaN(before)) unknown += sign
    else sum.add(growth, sign)
  }

  return (rows) => {
    const { newest } = rows
    if (run.begins(rows, maxGap)) {
      sum.clear()
      unknown = 0
      base = newest
    } else step(rows, newest, 1)
    const time = rows.time(newest)
    while (base < newest && (back === null ? rows.time(base) < time - micros! : base < newest - back))
      step(rows, ++base, -1)
    const isComplete = back === null ? run.sinceTime <= time - micros! : base === newest - back
    const seconds = (time - rows.time(base)) / 1e6
    if (!isComplete || unknown > 0 || seconds <= 0) return Number.NaN
    sum.read()
    return bounded(sum.high / seconds)
  }
}

/** What is known of the values in a trailing window, as they come and go. */
interface WindowValues {
  /** Values needed for a figure. */
  readonly minValues: number
  /** Whether the window ends with the row before. */
  readonly excludesItself: boolean
  clear(): void
  add(value: number, row: number, rows: TrailingRows): void
  remove(value: number, row: number): void
  /** The figure over the window, whose first known value is that of the row `first`. */
  figure(rows: TrailingRows, first: number): number
}

/** A figure over the rows of a trailing window. */
function overWindow({ column, rows: back, micros, maxGap }: Derivation, values: WindowValues): Figure {
  const { excludesItself, minValues } = values
  const span = micros ?? 0
  const run = new GapFreeRun()
  let first = 0
  let lead = 0
  let known = 0

  /** The first row of the window whose value is known, where there is one. */
  function firstKnown(rows: TrailingRows): number {
    lead = Math.max(lead, first)
    while (Number.isNaN(rows.value(column, lead))) lead++
    return lead
  }

  function hasLeft(rows: TrailingRows, row: number, end: number, time: number): boolean {
    if (back !== null) return row <= end - back
    const age = time - rows.time(row)
    return excludesItself ? age > span : age >= span
  }

  /** A row enters the window (1), or leaves it (-1). */
  function pass(rows: TrailingRows, row: number, sign: 1 | -1): void {
    const value = rows.value(column, row)
    if (Number.isNaN(value)) return
    known += sign
    if (sign === 1) values.add(value, row, rows)
    else values.remove(value, row)
  }

  return (rows) => {
    const { newest } = rows
    if (run.begins(rows, maxGap)) {
      values.clear()
      known = 0
      first = newest
    }
    if (!excludesItself) pass(rows, newest, 1)
    const end = excludesItself ? newest - 1 : newest
    const time = rows.time(newest)
    while (first <= end && hasLeft(rows, first, end, time)) pass(rows, first++, -1)
    const rowsInWindow = end - first + 1
    const reachesBack = back === null ? run.sinceTime <= time - span : rowsInWindow === back
    // A window of time that holds one row tells nothing about that time; half of the values may be missing.
    const needed = Math.max(minValues, back === null ? 2 : 1, Math.ceil(rowsInWindow / 2))
    const figure = reachesBack && known >= needed ? values.figure(rows, firstKnown(rows)) : Number.NaN
    if (excludesItself) pass(rows, newest, 1)
    return bounded(figure)
  }
}

/** Mean, standard deviation, or how far the row itself lies from the mean of the rows before it: as it is, or in their deviations. */
function rolling({ column, derive }: Derivation): WindowValues {
  const moments = new Moments()
  return {
    minValues: derive === 'rollingMean' || derive === 'distance' ? 1 : 2,
    excludesItself: derive === 'zScore' || derive === 'distance',
    clear: () => moments.clear(),
    add: (value, row) => moments.add(value, row),
    remove: (value) => moments.remove(value),
    figure(rows, first) {
      if (derive === 'rollingMean') return moments.mean(first)
      if (derive === 'rollingStd') return moments.std(first)
      const away = bounded(rows.value(column, rows.newest) - moments.mean(first))
      if (derive === 'distance' || away === 0 || Number.isNaN(away)) return away
      const std = moments.std(first)
      return Math.min(maxDeviations, Math.max(-maxDeviations, std === 0 ? away * Number.MAX_VALUE : away / std))
    },
  }
}

/** The max value, or with `sign` -1 the min: a queue of the rows that may yet become it (Lemire 2006). */
function extreme({ column }: Derivation, sign: 1 | -1): WindowValues {
  /** Numbers of rows, ascending, whose values fall strictly; `head` is the first that counts. */
  let queue: number[] = []
  let head = 0
  return {
    minValues: 1,
    excludesItself: false,
    clear() {
      queue = []
      head = 0
    },
    add(value, row, rows) {
      while (queue.length > head && sign * rows.value(column, queue.at(-1)!) <= sign * value) queue.pop()
      queue.push(row)
    },
    remove(_value, row) {
      if (queue[head] !== row) return
      head++
      if (head < 32 || head * 2 < queue.length) return
      queue = queue.slice(head)
      head = 0
    },
    figure: (rows) => rows.value(column, queue[head]!),
  }
}

/** A difference of doubles can overflow; it is known nevertheless. */
function bounded(value: number): number {
  return value > Number.MAX_VALUE ? Number.MAX_VALUE : value < -Number.MAX_VALUE ? -Number.MAX_VALUE : value
}

/** The figures of a history: each looks at the trailing rows of one column and follows them row by row. */
import type { Derivation, Rows } from './derivation.ts'
import { ExactSum } from './exact-sum.ts'
import { Moments } from './moments.ts'

/** Follows the rows of a history: `next` is asked once per row, after it was taken, and gives NaN for "not known". */
export interface Figure {
  next(rows: Rows): number
}

/** Deviations further out tell nothing more; also what a move after a constant value counts. */
const maxDeviations = 1e6

export function createFigure(derivation: Derivation): Figure {
  const { derive } = derivation
  if (derive === 'lag' || derive === 'sameTimeYesterday') return new Lag(derivation)
  if (derive === 'diff') return new Difference(derivation)
  if (derive === 'rate') return new Rate(derivation)
  if (derive === 'rollingMin' || derive === 'rollingMax')
    return new Extreme(derivation, derive === 'rollingMax' ? 1 : -1)
  return new Rolling(derivation, derive)
}

/** The trailing run of rows without a gap: number and time of its first row. */
class GapFreeRun {
  since = 0
  private readonly maxGap: number
  /** The first row may be forgotten, not when it was. */
  sinceTime = Number.NaN
  private before = Number.NaN

  constructor({ maxGap }: Derivation) {
    this.maxGap = maxGap ?? Number.POSITIVE_INFINITY
  }

  /** Whether the newest row begins a new run. */
  begins(rows: Rows): boolean {
    const time = rows.time(rows.newest)
    const begins = !(time - this.before <= this.maxGap)
    if (begins) {
      this.since = rows.newest
      this.sinceTime = time
    }
    this.before = time
    return begins
  }
}

/** The value that held then: n rows back, or the last one at or before that time unless a gap lies between. */
class Lag implements Figure {
  private readonly derivation: Derivation
  private readonly run: GapFreeRun
  private cursor = 0

  constructor(derivation: Derivation) {
    this.derivation = derivation
    this.run = new GapFreeRun(derivation)
  }

  next(rows: Rows): number {
    const { column, rows: back, micros, maxGap } = this.derivation
    this.run.begins(rows)
    if (back !== null) {
      const row = rows.newest - back
      return row >= this.run.since ? rows.value(column, row) : Number.NaN
    }
    const then = rows.time(rows.newest) - (micros as number)
    if (this.cursor < rows.oldest) this.cursor = rows.oldest
    while (this.cursor < rows.newest && rows.time(this.cursor + 1) <= then) this.cursor++
    const age = then - rows.time(this.cursor)
    return age >= 0 && age <= (maxGap ?? (micros as number)) ? rows.value(column, this.cursor) : Number.NaN
  }
}

class Difference implements Figure {
  private readonly lag: Lag
  private readonly column: number

  constructor(derivation: Derivation) {
    this.lag = new Lag(derivation)
    this.column = derivation.column
  }

  next(rows: Rows): number {
    return bounded(rows.value(this.column, rows.newest) - this.lag.next(rows))
  }
}

/** The growth of a counter per second over the window, every drop counted as a start from zero. */
class Rate implements Figure {
  private readonly derivation: Derivation
  private readonly run: GapFreeRun
  private readonly growth = new ExactSum()
  /** The row from which growth is counted; steps that touch a value which is not known. */
  private base = 0
  private unknown = 0

  constructor(derivation: Derivation) {
    this.derivation = derivation
    this.run = new GapFreeRun(derivation)
  }

  next(rows: Rows): number {
    const { rows: back, micros } = this.derivation
    const { newest } = rows
    if (this.run.begins(rows)) {
      this.growth.clear()
      this.unknown = 0
      this.base = newest
    } else this.step(rows, newest, 1)
    const time = rows.time(newest)
    while (
      this.base < newest &&
      (back === null ? rows.time(this.base) < time - (micros as number) : this.base < newest - back)
    )
      this.step(rows, ++this.base, -1)
    const isComplete = back === null ? this.run.sinceTime <= time - (micros as number) : this.base === newest - back
    const seconds = (time - rows.time(this.base)) / 1e6
    if (!isComplete || this.unknown > 0 || seconds <= 0) return Number.NaN
    this.growth.read()
    return bounded(this.growth.high / seconds)
  }

  /** Puts the growth from the row before to this one in (1), or takes it out (-1). */
  private step(rows: Rows, row: number, sign: 1 | -1): void {
    const before = rows.value(this.derivation.column, row - 1)
    const value = rows.value(this.derivation.column, row)
    const growth = value >= before ? bounded(value - before) : value
    if (Number.isNaN(growth) || Number.isNaN(before)) this.unknown += sign
    else if (sign === 1) this.growth.add(growth)
    else this.growth.remove(growth)
  }
}

/** The rows of a trailing window, as they come and go. */
abstract class Window implements Figure {
  protected readonly column: number
  /** Values needed for a figure. */
  protected abstract readonly minValues: number
  private readonly run: GapFreeRun
  private readonly back: number | null
  private readonly micros: number
  private readonly excludesItself: boolean
  private first = 0
  /** The first row of the window whose value is known. */
  private lead = 0
  private known = 0

  constructor(derivation: Derivation, excludesItself: boolean) {
    this.column = derivation.column
    this.run = new GapFreeRun(derivation)
    this.back = derivation.rows
    this.micros = derivation.micros ?? 0
    this.excludesItself = excludesItself
  }

  next(rows: Rows): number {
    const { newest } = rows
    if (this.run.begins(rows)) {
      this.clear()
      this.known = 0
      this.first = newest
    }
    if (!this.excludesItself) this.enter(rows, newest)
    const end = this.excludesItself ? newest - 1 : newest
    const time = rows.time(newest)
    while (this.first <= end && this.hasLeft(rows, this.first, end, time)) this.leave(rows, this.first++)
    const rowsInWindow = end - this.first + 1
    const reachesBack = this.back === null ? this.run.sinceTime <= time - this.micros : rowsInWindow === this.back
    // A window of time that holds one row tells nothing about that time; half of the values may be missing.
    const needed = Math.max(this.minValues, this.back === null ? 2 : 1, Math.ceil(rowsInWindow / 2))
    let figure = Number.NaN
    if (reachesBack && this.known >= needed) {
      if (this.lead < this.first) this.lead = this.first
      while (Number.isNaN(rows.value(this.column, this.lead))) this.lead++
      figure = this.figure(rows, this.lead)
    }
    if (this.excludesItself) this.enter(rows, newest)
    return bounded(figure)
  }

  private hasLeft(rows: Rows, row: number, end: number, time: number): boolean {
    if (this.back !== null) return row <= end - this.back
    const age = time - rows.time(row)
    return this.excludesItself ? age > this.micros : age >= this.micros
  }

  private enter(rows: Rows, row: number): void {
    const value = rows.value(this.column, row)
    if (Number.isNaN(value)) return
    this.known++
    this.add(value, row, rows)
  }

  private leave(rows: Rows, row: number): void {
    const value = rows.value(this.column, row)
    if (Number.isNaN(value)) return
    this.known--
    this.remove(value, row)
  }

  protected abstract clear(): void
  protected abstract add(value: number, row: number, rows: Rows): void
  protected abstract remove(value: number, row: number): void
  /** The figure over the window, whose first known value is that of the row `first`. */
  protected abstract figure(rows: Rows, first: number): number
}

/** Mean, standard deviation, or how far the row itself lies from the mean of the rows before it: as it is, or in their deviations. */
class Rolling extends Window {
  protected readonly minValues: number
  private readonly moments = new Moments()
  private readonly derive: Derivation['derive']

  constructor(derivation: Derivation, derive: Derivation['derive']) {
    super(derivation, looksBefore(derive))
    this.derive = derive
    this.minValues = derive === 'rollingMean' || derive === 'distance' ? 1 : 2
  }

  protected clear(): void {
    this.moments.clear()
  }

  protected add(value: number, row: number): void {
    this.moments.add(value, row)
  }

  protected remove(value: number): void {
    this.moments.remove(value)
  }

  protected figure(rows: Rows, first: number): number {
    if (this.derive === 'rollingMean') return this.moments.mean(first)
    if (this.derive === 'rollingStd') return this.moments.std(first)
    const away = bounded(rows.value(this.column, rows.newest) - this.moments.mean(first))
    if (this.derive === 'distance' || away === 0 || Number.isNaN(away)) return away
    const std = this.moments.std(first)
    return Math.min(maxDeviations, Math.max(-maxDeviations, std === 0 ? away * Number.MAX_VALUE : away / std))
  }
}

/** Whether the window ends with the row before. */
const looksBefore = (derive: Derivation['derive']) => derive === 'zScore' || derive === 'distance'

/** The greatest value, or with `sign` -1 the smallest: a queue of the rows that may yet become it (Lemire 2006). */
class Extreme extends Window {
  protected readonly minValues = 1
  private readonly sign: 1 | -1
  /** Numbers of rows, ascending, whose values fall strictly; `head` is the first that counts. */
  private queue: number[] = []
  private head = 0

  constructor(derivation: Derivation, sign: 1 | -1) {
    super(derivation, false)
    this.sign = sign
  }

  protected clear(): void {
    this.queue = []
    this.head = 0
  }

  protected add(value: number, row: number, rows: Rows): void {
    const { queue, sign } = this
    while (queue.length > this.head && sign * rows.value(this.column, queue[queue.length - 1]!) <= sign * value)
      queue.pop()
    queue.push(row)
  }

  protected remove(_value: number, row: number): void {
    if (this.queue[this.head] !== row) return
    this.head++
    if (this.head < 32 || this.head * 2 < this.queue.length) return
    this.queue = this.queue.slice(this.head)
    this.head = 0
  }

  protected figure(rows: Rows): number {
    return rows.value(this.column, this.queue[this.head]!)
  }
}

/** A difference of doubles can overflow; it is known nevertheless. */
function bounded(value: number): number {
  return value > Number.MAX_VALUE ? Number.MAX_VALUE : value < -Number.MAX_VALUE ? -Number.MAX_VALUE : value
}

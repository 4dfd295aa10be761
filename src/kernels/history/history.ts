/**
 * The last rows of one entity, and what follows from them: lags, differences, rates and rolling figures. One kernel for
 * every door, as with the time context. A figure depends on the rows in its window alone, to the bit: not on what was seen
 * before them, so that rows sent one by one, a file, and a history that was stored and restored agree.
 */
import type { Derivation, Rows } from './derivation.ts'
import { maxAddends } from './exact-sum.ts'
import { createFigure, type Figure } from './figures.ts'

/** What a history is made for. `columns` base columns are kept of every row. */
export interface HistoryPlan {
  readonly columns: number
  readonly derivations: readonly Derivation[]
}

/** What became of a row: all its figures are known, some lack history, or it came too late to be taken. */
export const rowHistory = { complete: 0, insufficient: 1, late: 2 } as const

/** Rows a history may hold: as many as its sums can. */
export const maxHistoryRows = maxAddends
const MIN_ROOM = 8
/** What a history takes beside its rows: a rough figure for the objects of a run-time. */
const OWN_BYTES = 400
const FIGURE_BYTES = 600

export class History implements Rows {
  newest = -1
  oldest = 0
  private readonly plan: HistoryPlan
  private figures: readonly Figure[]
  private readonly keptRows: number
  private readonly keptMicros: number
  private room = MIN_ROOM
  private times = new Float64Array(MIN_ROOM)
  private values: Float64Array

  constructor(plan: HistoryPlan) {
    this.plan = plan
    this.values = new Float64Array(MIN_ROOM * plan.columns)
    this.figures = plan.derivations.map(createFigure)
    this.keptRows = Math.max(1, ...plan.derivations.map(({ rows }) => (rows ?? 0) + 1))
    this.keptMicros = Math.max(0, ...plan.derivations.map(({ micros }) => micros ?? 0))
  }

  /** Rows held. */
  get rows(): number {
    return this.newest - this.oldest + 1
  }

  /** Memory this takes, roughly. */
  get bytes(): number {
    return OWN_BYTES + this.room * 8 * (1 + this.plan.columns) + this.figures.length * FIGURE_BYTES
  }

  /**
   * Takes the next row and writes its figures to `out[0 .. derivations)`, NaN for what is not known. Times must not fall: a row
   * before the newest one, or without a time, changes nothing and has no figures.
   *
   * @param time epoch microseconds; NaN when unknown
   * @param base values of the base columns; what is not finite counts as not known
   * @returns one of `rowHistory`
   */
  take(time: number, base: ArrayLike<number>, out: Float64Array): number {
    const isLate = this.newest >= 0 && time < this.time(this.newest)
    if (isLate || Number.isNaN(time)) {
      out.fill(Number.NaN)
      return isLate ? rowHistory.late : rowHistory.insufficient
    }
    this.push(time, base)
    let state: number = rowHistory.complete
    for (let index = 0; index < this.figures.length; index++) {
      const value = this.figures[index]!(this)
      out[index] = value
      if (Number.isNaN(value)) state = rowHistory.insufficient
    }
    this.forget(time)
    return state
  }

  time(row: number): number {
    return this.times[row & (this.room - 1)]!
  }

  value(column: number, row: number): number {
    return this.values[column * this.room + (row & (this.room - 1))]!
  }

  /** Forgets everything. */
  clear(): void {
    this.newest = -1
    this.oldest = 0
    this.room = MIN_ROOM
    this.times = new Float64Array(MIN_ROOM)
    this.values = new Float64Array(MIN_ROOM * this.plan.columns)
    this.figures = this.plan.derivations.map(createFigure)
  }

  /** The rows held, oldest first: per row its time, then its base values. A history that takes them is this one. */
  store(): Float64Array {
    const { columns } = this.plan
    const width = 1 + columns
    const stored = new Float64Array(this.rows * width)
    for (let at = 0; at < this.rows; at++) {
      stored[at * width] = this.time(this.oldest + at)
      for (let column = 0; column < columns; column++)
        stored[at * width + 1 + column] = this.value(column, this.oldest + at)
    }
    return stored
  }

  private push(time: number, base: ArrayLike<number>): void {
    if (this.rows === this.room) this.grow()
    const row = ++this.newest
    const at = row & (this.room - 1)
    this.times[at] = time
    for (let column = 0; column < this.plan.columns; column++) {
      const value = base[column]!
      // A zero has one sign, so that equal values are the same to the bit.
      this.values[column * this.room + at] = value - value === 0 ? value + 0 : Number.NaN
    }
  }

  /** Lets go of rows that no later row will ask for; the one that held when the longest time window began stays. */
  private forget(time: number): void {
    const cutoff = time - this.keptMicros
    const last = this.newest - this.keptRows
    while (this.oldest <= last && (this.keptMicros === 0 || this.time(this.oldest + 1) <= cutoff)) this.oldest++
  }

  private grow(): void {
    const { columns } = this.plan
    const { room, times, values } = this
    const wider = 2 * room
    this.times = new Float64Array(wider)
    this.values = new Float64Array(wider * columns)
    for (let row = this.oldest; row <= this.newest; row++) {
      const [from, to] = [row & (room - 1), row & (wider - 1)]
      this.times[to] = times[from]!
      for (let column = 0; column < columns; column++) this.values[column * wider + to] = values[column * room + from]!
    }
    this.room = wider
  }
}

/** A history as it was when its rows were stored. @param stored see `History.store`; times must not fall */
export function restoreHistory(plan: HistoryPlan, stored: Float64Array): History {
  const history = new History(plan)
  const width = 1 + plan.columns
  const out = new Float64Array(plan.derivations.length)
  for (let at = 0; at + width <= stored.length; at += width)
    history.take(stored[at]!, stored.subarray(at + 1, at + width), out)
  return history
}

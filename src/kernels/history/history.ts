/**
 * The last rows of one entity, and what follows from them: lags, differences, rates and rolling figures. One kernel for
 * every door, as with the time context. A figure depends on the rows in its window alone, to the bit: not on what was seen
 * before them, so that rows sent one by one, a file, and a history that was stored and restored agree.
 */
import { maxAddends } from './exact-sum.ts'
import { createFigure, type Derivation, type Figure } from './figures.ts'
import { TrailingRows } from './trailing-rows.ts'

/** What a history is made for. `columns` base columns are kept of every row. */
export interface HistoryPlan {
  readonly columns: number
  readonly derivations: readonly Derivation[]
}

/** What became of a row: all its figures are known, some lack history, or it came too late to be taken. */
export const rowHistory = { complete: 0, insufficient: 1, late: 2 } as const

/** Rows a history may hold: as many as its sums can. */
export const maxHistoryRows = maxAddends
/** What a history takes beside its rows: a rough figure for the objects of a run-time. */
const OWN_BYTES = 400
const FIGURE_BYTES = 600

export class History {
  private readonly plan: HistoryPlan
  private readonly keptRows: number
  private readonly keptMicros: number
  private held!: TrailingRows
  private figures!: readonly Figure[]

  /** @param stored rows to take first, see `store`; their times must not fall */
  constructor(plan: HistoryPlan, stored: Float64Array | null = null) {
    this.plan = plan
    this.keptRows = Math.max(1, ...plan.derivations.map(({ rows }) => (rows ?? 0) + 1))
    this.keptMicros = Math.max(0, ...plan.derivations.map(({ micros }) => micros ?? 0))
    this.clear()
    const width = 1 + plan.columns
    const out = new Float64Array(plan.derivations.length)
    for (let at = 0; stored && at + width <= stored.length; at += width)
      this.take(stored[at]!, stored.subarray(at + 1, at + width), out)
  }

  /** Rows held. */
  get rows(): number {
    return this.held.count
  }

  /** Memory this takes, roughly. */
  get bytes(): number {
    return OWN_BYTES + this.held.bytes + this.figures.length * FIGURE_BYTES
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
    const { held, figures } = this
    const isLate = held.newest >= 0 && time < held.time(held.newest)
    if (isLate || Number.isNaN(time)) {
      out.fill(Number.NaN)
      return isLate ? rowHistory.late : rowHistory.insufficient
    }
    held.begin(time)
    for (let column = 0; column < this.plan.columns; column++) {
      const value = base[column]!
      // A zero has one sign, so that equal values are the same to the bit.
      held.set(column, value - value === 0 ? value + 0 : Number.NaN)
    }
    let state: number = rowHistory.complete
    for (let index = 0; index < figures.length; index++) {
      const value = figures[index]!(held)
      out[index] = value
      if (Number.isNaN(value)) state = rowHistory.insufficient
    }
    this.forget(time)
    return state
  }

  /** Forgets everything. */
  clear(): void {
    this.held = new TrailingRows(this.plan.columns)
    this.figures = this.plan.derivations.map(createFigure)
  }

  /** The rows held, oldest first: per row its time, then its base values. A history that takes them is this one. */
  store(): Float64Array {
    return this.held.store()
  }

  /** Lets go of rows that no later row will ask for; the one that held when the longest time window began stays. */
  private forget(time: number): void {
    const { held, keptMicros } = this
    const cutoff = time - keptMicros
    const last = held.newest - this.keptRows
    while (held.oldest <= last && (keptMicros === 0 || held.time(held.oldest + 1) <= cutoff)) held.oldest++
  }
}

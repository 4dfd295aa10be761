import { ExactSum, maxAddends } from './exact-sum.ts'
import { TrailingRows } from './trailing-rows.ts'

/** Over how much a trailing mean is taken: rows, or microseconds; exactly one of them. */
export interface MeanWindow {
  readonly rows: number | null
  readonly micros: number | null
}

const OWN_BYTES = 400

/**
 * The mean of the trailing scores of one entity, as many as there are in the window. Like the figures of a history it depends on
 * the scores in its window alone, to the bit.
 */
export class TrailingMean {
  private readonly window: MeanWindow
  private readonly sum = new ExactSum()
  private readonly held = new TrailingRows(1)

  /** @param stored scores to take first, see `store` */
  constructor(window: MeanWindow, stored: Float64Array | null = null) {
    this.window = window
    for (let at = 0; stored && at + 1 < stored.length; at += 2) this.take(stored[at + 1]!, stored[at]!)
  }

  /** Scores in the window. */
  get count(): number {
    return this.held.count
  }

  /** Memory this takes, roughly. */
  get bytes(): number {
    return OWN_BYTES + this.held.bytes
  }

  /**
   * Takes the next score and gives the mean.
   *
   * @param score in [0, 1]
   * @param at epoch microseconds; looked at in a window of time alone, where a row that came late, or without a time, counts as
   * of the time of the one before
   */
  take(score: number, at: number): number {
    const { held, sum } = this
    const { rows, micros } = this.window
    const newest = held.count === 0 ? Number.NEGATIVE_INFINITY : held.time(held.newest)
    const time = at >= newest ? at : newest
    const hasLeft = (row: number) =>
      micros === null ? row <= held.newest + 1 - rows! : time - held.time(row) >= micros
    while (held.count > 0 && (hasLeft(held.oldest) || held.count >= maxAddends)) {
      sum.add(held.value(0, held.oldest), -1)
      held.oldest++
    }
    held.begin(time)
    held.set(0, score)
    sum.add(score)
    sum.read()
    return Math.min(1, sum.high / held.count)
  }

  /** The scores in the window, oldest first: per score its time, then the score. */
  store(): Float64Array {
    return this.held.store()
  }
}

import { ExactSum, maxAddends } from './exact-sum.ts'

/** Over how much a trailing mean is taken: rows, or microseconds; exactly one of them. */
export interface MeanWindow {
  readonly rows: number | null
  readonly micros: number | null
}

const OWN_BYTES = 400
const MIN_ROOM = 8

/**
 * The mean of the trailing scores of one entity, as many as there are in the window. Like the figures of a history it depends on
 * the scores in its window alone, to the bit.
 */
export class TrailingMean {
  private readonly window: MeanWindow
  private readonly sum = new ExactSum()
  private times = new Float64Array(MIN_ROOM)
  private scores = new Float64Array(MIN_ROOM)
  /** Numbers of the oldest score in the window and of the next one to come; places are taken modulo the room. */
  private oldest = 0
  private next = 0

  constructor(window: MeanWindow) {
    this.window = window
  }

  /** Scores in the window. */
  get count(): number {
    return this.next - this.oldest
  }

  /** Memory this takes, roughly. */
  get bytes(): number {
    return OWN_BYTES + 16 * this.times.length
  }

  /**
   * Takes the next score and gives the mean.
   *
   * @param at epoch microseconds; looked at in a window of time alone, where a row that came late, or without a time, counts as
   * of the time of the one before
   * @param score in [0, 1]
   */
  take(at: number, score: number): number {
    const { rows, micros } = this.window
    const newest = this.count === 0 ? Number.NEGATIVE_INFINITY : this.timeOf(this.next - 1)
    const time = at >= newest ? at : newest
    const hasLeft = (seen: number) =>
      micros === null ? seen <= this.next - (rows as number) : time - this.timeOf(seen) >= micros
    while (this.count > 0 && (hasLeft(this.oldest) || this.count >= maxAddends)) {
      this.sum.add(this.scores[this.oldest & (this.scores.length - 1)]!, -1)
      this.oldest++
    }
    if (this.count === this.scores.length) this.grow()
    const place = this.next++ & (this.scores.length - 1)
    this.times[place] = time
    this.scores[place] = score
    this.sum.add(score)
    this.sum.read()
    return Math.min(1, this.sum.high / this.count)
  }

  /** The scores in the window, oldest first: per score its time, then the score. */
  store(): Float64Array {
    const stored = new Float64Array(2 * this.count)
    for (let at = 0; at < this.count; at++) {
      stored[2 * at] = this.timeOf(this.oldest + at)
      stored[2 * at + 1] = this.scores[(this.oldest + at) & (this.scores.length - 1)]!
    }
    return stored
  }

  private timeOf(at: number): number {
    return this.times[at & (this.times.length - 1)]!
  }

  private grow(): void {
    const { times, scores } = this
    const wider = 2 * times.length
    this.times = new Float64Array(wider)
    this.scores = new Float64Array(wider)
    for (let at = this.oldest; at < this.next; at++) {
      this.times[at & (wider - 1)] = times[at & (times.length - 1)]!
      this.scores[at & (wider - 1)] = scores[at & (times.length - 1)]!
    }
  }
}

/** A trailing mean as it was when its scores were stored. */
export function restoreTrailingMean(window: MeanWindow, stored: Float64Array): TrailingMean {
  const mean = new TrailingMean(window)
  for (let at = 0; at + 1 < stored.length; at += 2) mean.take(stored[at]!, stored[at + 1]!)
  return mean
}

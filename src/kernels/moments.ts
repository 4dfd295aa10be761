/**
 * Mean and standard deviation of values that come and go, from exact sums: what comes out is a function of the values
 * that are in, whichever left before.
 */
import { ExactSum } from './exact-sum.ts'

/** Squares of larger values would overflow, together or alone. */
const mostSquared = 1e140
/** Below this share of the squared mean even twice the digits of a double do not carry a variance. */
const leastShare = 1e-24
const SPLITTER = 2 ** 27 + 1

export class Moments {
  private readonly sum = new ExactSum()
  private readonly squares = new ExactSum()
  private count = 0
  /** Values whose squares are not in `squares`. */
  private large = 0
  /** The row with which the trailing run of equal values began, and that value. */
  private runSince = 0
  private runValue = Number.NaN

  clear(): void {
    this.sum.clear()
    this.squares.clear()
    this.count = 0
    this.large = 0
    this.runValue = Number.NaN
  }

  /** Adds a finite value, which came with row `row`. */
  add(value: number, row: number): void {
    if (value !== this.runValue) {
      this.runSince = row
      this.runValue = value
    }
    this.count++
    this.sum.add(value)
    if (Math.abs(value) > mostSquared) this.large++
    else {
      const square = value * value
      this.squares.add(square)
      this.squares.add(productError(value, value, square))
    }
  }

  /** Takes out a value that was added. */
  remove(value: number): void {
    this.count--
    this.sum.remove(value)
    if (Math.abs(value) > mostSquared) this.large--
    else {
      const square = value * value
      this.squares.remove(square)
      this.squares.remove(productError(value, value, square))
    }
  }

  /** The mean. @param first row of the window's first value @param values the window's values, asked for in rare cases */
  mean(first: number, values: () => Float64Array): number {
    if (this.runSince <= first) return this.runValue
    this.sum.read()
    const mean = this.sum.high / this.count
    return Number.isFinite(mean) ? mean : meanOf(values())
  }

  /** The standard deviation of the population, as in the training profile. Parameters as of `mean`. */
  std(first: number, values: () => Float64Array): number {
    if (this.runSince <= first) return 0
    if (this.large > 0) return stdOf(values())
    const { sum, squares, count } = this
    sum.read()
    squares.read()
    // Sum of squares - (sum)^2 / count, with about twice the digits of a double.
    const product = sum.high * sum.high
    const error = productError(sum.high, sum.high, product) + 2 * sum.high * sum.rest
    const quotient = product / count
    const back = quotient * count
    const rest = (product - back - productError(quotient, count, back) + error) / count
    const variance = (squares.high - quotient + (squares.rest - rest)) / count
    const mean = sum.high / count
    return variance > leastShare * mean * mean ? Math.sqrt(variance) : stdOf(values())
  }
}

/** x * y - fl(x * y), exact where nothing over- or underflows (Dekker 1971). */
function productError(x: number, y: number, product: number): number {
  const a = x * SPLITTER
  const b = y * SPLITTER
  const highX = a - (a - x)
  const highY = b - (b - y)
  const lowX = x - highX
  const lowY = y - highY
  return highX * highY - product + highX * lowY + lowX * highY + lowX * lowY
}

function meanOf(values: Float64Array): number {
  return values.reduce((mean, value) => mean + value / values.length, 0)
}

/** In two passes, scaled so that no square overflows. */
function stdOf(values: Float64Array): number {
  const mean = meanOf(values)
  const most = values.reduce((far, value) => Math.max(far, Math.abs(value / 2 - mean / 2)), 0)
  if (most === 0) return 0
  const squares = values.reduce((sum, value) => sum + ((value / 2 - mean / 2) / most) ** 2, 0)
  return Math.min(Math.sqrt(squares / values.length) * most * 2, Number.MAX_VALUE)
}

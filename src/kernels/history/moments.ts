/**
 * Mean and standard deviation of values that come and go, from exact sums: what comes out is a function of the values
 * that are in, whichever left before, and costs the same for any number of them.
 */
import { ExactSum, scale } from './exact-sum.ts'

/** Squares of larger values would overflow, together or alone: these are scaled down before they are squared. */
const maxSquared = 1e140
const SPLITTER = 2 ** 27 + 1

export class Moments {
  private readonly sum = new ExactSum()
  private readonly squares = new ExactSum()
  /** Squares of scaled large values, beside which the others do not count. */
  private readonly largeSquares = new ExactSum()
  private count = 0
  private large = 0
  /** The row with which the trailing run of equal values began, and that value. */
  private runSince = 0
  private runValue = Number.NaN

  clear(): void {
    for (const sum of [this.sum, this.squares, this.largeSquares]) sum.clear()
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
    this.put(value, 1)
  }

  /** Takes out a value that was added. */
  remove(value: number): void {
    this.put(value, -1)
  }

  /** The mean. @param first row of the window's first value */
  mean(first: number): number {
    if (this.runSince <= first) return this.runValue
    this.sum.read()
    const mean = this.sum.high / this.count
    if (Number.isFinite(mean)) return mean
    this.sum.read(true)
    return this.sum.high / this.count / scale
  }

  /** The standard deviation of the population, as in the training profile. @param first row of the window's first value */
  std(first: number): number {
    if (this.runSince <= first) return 0
    const isLarge = this.large > 0
    const squares = isLarge ? this.largeSquares : this.squares
    const { sum, count } = this
    sum.read(isLarge)
    squares.read()
    // Sum of squares - (sum)^2 / count, with about twice the digits of a double.
    const product = sum.high * sum.high
    const error = productError(sum.high, sum.high, product) + 2 * sum.high * sum.rest
    const quotient = product / count
    const back = quotient * count
    const rest = (product - back - productError(quotient, count, back) + error) / count
    const variance = (squares.high - quotient + (squares.rest - rest)) / count
    const std = Math.sqrt(Math.max(0, variance))
    return isLarge ? Math.min(std / scale, Number.MAX_VALUE) : std
  }

  private put(value: number, sign: 1 | -1): void {
    const isLarge = Math.abs(value) > maxSquared
    const root = isLarge ? value * scale : value
    const square = root * root
    const squares = isLarge ? this.largeSquares : this.squares
    this.count += sign
    if (isLarge) this.large += sign
    this.sum.add(value, sign)
    squares.add(square, sign)
    squares.add(productError(root, root, square), sign)
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

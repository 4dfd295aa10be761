/** Numbers of a JSON text, read from its bytes: as `JSON.parse` gives them, to the bit, without a text for each. */

const ZERO = 0x30
const POINT = 0x2e
const MINUS = 0x2d
const PLUS = 0x2b
const EXPONENT = 0x65
/** Makes a small letter of a capital one. */
const SMALL = 0x20

/** Powers of ten that a double holds exactly. */
const powersOfTen = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`))
const mostPower = powersOfTen.length - 1
/** Digits that a double holds exactly, whichever they are. */
const exactDigits = 15
/** Digits that the double-double of `quotientOf` holds exactly. */
const mostDigits = 19

/** A number, and where the text goes on behind it. */
export class NumberReader {
  /** Where the number that was read last ends. */
  end = 0

  /**
   * The number that begins at `start`; NaN when there is none, or one that is too large for a double.
   * @param bytes a JSON text, or any other bytes
   */
  read(bytes: Buffer, start: number): number {
    const isNegative = bytes[start] === MINUS
    const whole = isNegative ? start + 1 : start
    let at = whole
    let digits = 0
    let byte = bytes[at]!
    for (; isDigit(byte); byte = bytes[++at]!) digits = 10 * digits + (byte - ZERO)
    if (at === whole || (bytes[whole] === ZERO && at > whole + 1)) return Number.NaN
    let point = at
    if (byte === POINT) {
      byte = bytes[++at]!
      for (; isDigit(byte); byte = bytes[++at]!) digits = 10 * digits + (byte - ZERO)
      if (at === point + 1) return Number.NaN
    } else point--
    const behind = at - 1 - point
    this.end = at
    if ((byte | SMALL) === EXPONENT) {
      this.end = endOfExponent(bytes, at)
      if (this.end === at) return Number.NaN
    } else if (at - whole <= exactDigits) {
      const size = digits / powersOfTen[behind]!
      return isNegative ? -size : size
    }
    const size = readLong(bytes, whole, at, behind, this.end)
    return size === Number.POSITIVE_INFINITY ? Number.NaN : isNegative ? -size : size
  }
}

const isDigit = (byte: number) => byte >= ZERO && byte <= ZERO + 9

/** Where the exponent ends that begins at `start`; `start` when it is none. */
function endOfExponent(bytes: Buffer, start: number): number {
  const sign = bytes[start + 1]
  const from = sign === MINUS || sign === PLUS ? start + 2 : start + 1
  let at = from
  while (isDigit(bytes[at]!)) at++
  return at === from ? start : at
}

/** A number of many digits, which begin at `start`, end at `end` and have `behind` behind their point, or with an exponent up to `last`. */
function readLong(bytes: Buffer, start: number, end: number, behind: number, last: number): number {
  // The first digits, and those that a double could not hold exactly together with them.
  let first = 0
  let second = 0
  let digits = 0
  for (let at = start; at < end; at++) {
    const digit = bytes[at]! - ZERO
    if (digit < 0 || (digits === 0 && digit === 0)) continue
    if (digits < exactDigits) first = 10 * first + digit
    else second = 10 * second + digit
    digits++
  }
  const power = (last > end ? Number(bytes.toString('latin1', end + 1, last)) : 0) - behind
  return nearestTo(first, second, digits, power) ?? Number(bytes.toString('latin1', start, last))
}

/**
 * The double nearest to a number of `digits` digits, fifteen in `first` and those behind them in `second`, times 10^power, where it
 * can be told from few operations; else null. Integers and powers of ten below 2^53 and 10^23 are exact as doubles, and an operation
 * on two exact doubles is rounded once (Clinger, How to read floating point numbers accurately, 1990, section 3).
 */
function nearestTo(first: number, second: number, digits: number, power: number): number | null {
  if (power > mostPower || power < -mostPower || digits > mostDigits) return null
  if (digits > exactDigits) return power > 0 ? null : quotientOf(first, second, digits - exactDigits, -power)
  return power < 0 ? first / powersOfTen[-power]! : first * powersOfTen[power]!
}

/**
 * The double nearest to (first * 10^more + second) / 10^power, or null where that hangs on more digits than are computed here:
 * the dividend is the exact sum of two doubles, the quotient is found with twice the digits of a double (Dekker, A floating-point
 * technique for extending the available precision, 1971, sections 5 and 6), and what it may be wrong by decides nothing.
 */
function quotientOf(first: number, second: number, more: number, power: number): number | null {
  const factor = powersOfTen[more]!
  const divisor = powersOfTen[power]!
  const product = first * factor
  const high = product + second
  const low = lackOf(first, factor, product) + (second - (high - product))
  const quotient = high / divisor
  const back = quotient * divisor
  const rest = (high - back - lackOf(quotient, divisor, back) + low) / divisor
  const doubt = Math.abs(rest) * 2 ** -48
  const nearest = quotient + (rest - doubt)
  return nearest === quotient + (rest + doubt) ? nearest : null
}

/** What a product lacks because it was rounded: a * b - product, exactly. */
function lackOf(a: number, b: number, product: number): number {
  const aHigh = upperHalf(a)
  const bHigh = upperHalf(b)
  const [aLow, bLow] = [a - aHigh, b - bHigh]
  return aLow * bLow - (product - aHigh * bHigh - aLow * bHigh - aHigh * bLow)
}

/** The upper 26 bits of a double. */
function upperHalf(value: number): number {
  const scaled = value * (2 ** 27 + 1)
  return scaled - (scaled - value)
}

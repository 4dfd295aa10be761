/** Numbers of a JSON text, read from its bytes: as `JSON.parse` gives them, to the bit, and mostly without a text for each. */

const [POINT, MINUS, PLUS, ZERO, EXPONENT] = [0x2e, 0x2d, 0x2b, 0x30, 0x65]
/** Makes a small letter of a capital one. */
const SMALL = 0x20

/** Digits that a double holds exactly, whichever they are, and the powers of ten that go with them. */
const exactDigits = 15
const powersOfTen = Array.from({ length: exactDigits + 1 }, (_, exponent) => 10 ** exponent)

/** A number, and where the text goes on behind it. */
export class NumberReader {
  /** Where the number that was read last ends. */
  end = 0

  /** The number that begins at `start` of any bytes; NaN when there is none, or one that is too large for a double. */
  read(bytes: Buffer, start: number): number {
    const isNegative = bytes[start] === MINUS
    const whole = isNegative ? start + 1 : start
    let at = whole
    let digits = 0
    let byte = bytes[at]!
    for (; isDigit(byte); byte = bytes[++at]!) digits = 10 * digits + (byte - ZERO)
    if (at === whole || (bytes[whole] === ZERO && at > whole + 1)) return Number.NaN
    let fraction = 0
    if (byte === POINT) {
      const point = at
      byte = bytes[++at]!
      for (; isDigit(byte); byte = bytes[++at]!) digits = 10 * digits + (byte - ZERO)
      fraction = at - point - 1
      if (fraction === 0) return Number.NaN
    }
    if ((byte | SMALL) === EXPONENT) return this.#readByText(bytes, start, endOfExponent(bytes, at))
    if (at - whole > exactDigits) return this.#readByText(bytes, start, at)
    this.end = at
    // Two exact doubles divided are rounded once: the nearest double, as the standard asks.
    const size = digits / powersOfTen[fraction]!
    return isNegative ? -size : size
  }

  #readByText(bytes: Buffer, start: number, end: number): number {
    this.end = end
    const value = Number(bytes.toString('latin1', start, end))
    return Number.isFinite(value) ? value : Number.NaN
  }
}

const isDigit = (byte: number) => byte >= ZERO && byte <= ZERO + 9

/** Where the exponent ends that begins at `start`. Without digits its letter is left in the text, which is no number then. */
function endOfExponent(bytes: Buffer, start: number): number {
  const sign = bytes[start + 1]
  let at = sign === MINUS || sign === PLUS ? start + 2 : start + 1
  while (isDigit(bytes[at]!)) at++
  return at
}

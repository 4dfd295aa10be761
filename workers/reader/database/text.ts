import { DeepWatchError } from '../../../src/errors.ts'

/** Text of one block; a row of text is bounded by the database's own memory limit before it gets here. */
const MAX_BYTES = 128 * 1024 * 1024
const START_BYTES = 1024 * 1024
const LINE_END = 10
const QUOTE = 0x22
const BACKSLASH = 0x5c

/** The JSON text of the rows of one block, as bytes, a line per row. Nothing put in has a line end. */
export class TextBuffer {
  private bytes = Buffer.allocUnsafe(START_BYTES)
  private length = 0
  private total = 0
  private readonly maxTotal: number

  /** `maxTotal`: bytes of all blocks of a stream together. */
  constructor(maxTotal: number) {
    this.maxTotal = maxTotal
  }

  /** Puts `bytes[start .. end)` as they are. */
  put(bytes: Uint8Array, start = 0, end = bytes.length): void {
    const length = end - start
    this.reserve(length)
    if (length > 24) this.bytes.set(bytes.subarray(start, end), this.length)
    else for (let i = 0; i < length; i++) this.bytes[this.length + i] = bytes[start + i] as number
    this.length += length
  }

  /** Puts a text of ASCII characters. */
  putAscii(text: string): void {
    this.reserve(text.length)
    this.length += this.bytes.write(text, this.length, 'latin1')
  }

  /** Puts the UTF-8 `bytes[start .. end)` as a JSON string with its quotes. */
  putString(bytes: Uint8Array, start: number, end: number): void {
    if (needsEscape(bytes, start, end)) {
      const text = Buffer.from(bytes.subarray(start, end)).toString('utf8')
      this.put(Buffer.from(JSON.stringify(text)))
      return
    }
    this.reserve(end - start + 2)
    this.bytes[this.length++] = QUOTE
    this.put(bytes, start, end)
    this.bytes[this.length++] = QUOTE
  }

  /** Ends the row; throws `decoded_too_large`. */
  endLine(): void {
    this.reserve(1)
    this.bytes[this.length++] = LINE_END
  }

  /** The text so far without its last line end; the buffer is empty afterwards and the result valid until the next `put`. */
  take(): Uint8Array {
    const text = this.bytes.subarray(0, Math.max(0, this.length - 1))
    this.total += this.length
    this.length = 0
    return text
  }

  private reserve(more: number): void {
    const end = this.length + more
    if (end + this.total > this.maxTotal || end > MAX_BYTES) {
      throw new DeepWatchError('decoded_too_large', 'The columns to include hold more text than is allowed.')
    }
    if (end + 2 <= this.bytes.length) return
    const grown = Buffer.allocUnsafe(2 * end)
    this.bytes.copy(grown, 0, 0, this.length)
    this.bytes = grown
  }
}

function needsEscape(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number
    if (byte < 0x20 || byte === QUOTE || byte === BACKSLASH) return true
  }
  return false
}

/** Small batches: plain rows of a JSON body, read from its bytes without an object for each row. Most live requests are one. */
import { NumberReader } from './number.ts'

/** One observation as JSON has it: column name to value. */
export type Row = Record<string, unknown>
/** Rows of a JSON body: a small batch where they are plain, else objects. */
export type Rows = readonly Row[] | SmallBatch

/** The rows as objects, which is what the complete reader takes. */
export const asRows = (rows: Rows): readonly Row[] => (rows instanceof SmallBatch ? rows.toRows() : rows)

/** More rows are no small batch. */
const maxRows = 512

/** A column of a small batch. One of the two lists has an entry for each row, the other is empty. */
export interface BatchColumn {
  readonly name: string
  /** 1 and 0 for true and false, NaN for null. */
  readonly numbers: readonly number[]
  readonly texts: readonly (string | null)[]
}

/** Rows that all have the same columns in the same order, none of which holds both numbers and texts. */
export class SmallBatch {
  /** Of different names, none of them `__proto__`. */
  readonly columns: readonly BatchColumn[]
  /** Number of rows, at least 1. */
  readonly length: number
  readonly #text: string
  #rows: readonly Row[] | undefined

  /** @param text the list as it was sent */
  constructor(columns: readonly BatchColumn[], length: number, text: string) {
    this.columns = columns
    this.length = length
    this.#text = text
  }

  /** The rows as `JSON.parse` gives them, made once. */
  toRows(): readonly Row[] {
    this.#rows ??= JSON.parse(this.#text) as Row[]
    return this.#rows
  }

  /** Whoever writes rows down need not know how they are held. */
  toJSON(): readonly Row[] {
    return this.toRows()
  }
}

/**
 * Reads a JSON object whose member `rows` is a small batch and whose other members are plain: texts, numbers, true, false and null. Null
 * for any other body: `parseJson` then reads it, and knows what is wrong with it.
 * @param bytes a JSON text, or any other bytes; they may not change afterwards
 */
export function readPlainBody(bytes: Buffer): Record<string, unknown> | null {
  return new PlainReader(bytes).readBody()
}

const [QUOTE, COMMA, COLON, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x5c]
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d]
const [NULL, TRUE, FALSE] = [Buffer.from('null'), Buffer.from('true'), Buffer.from('false')]

interface OpenColumn {
  /** Where its name stands in the first row, quotes included. */
  readonly from: number
  readonly to: number
  readonly numbers: number[]
  readonly texts: (string | null)[]
}

/** Every method returns false, null or undefined as soon as something is not plain. */
class PlainReader {
  readonly #bytes: Buffer
  /** The same bytes as a text: what is taken over is plain ASCII. */
  readonly #text: string
  #at = 0
  readonly #columns: OpenColumn[] = []
  readonly #number = new NumberReader()

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#text = bytes.toString('latin1')
  }

  readBody(): Record<string, unknown> | null {
    const members: Record<string, unknown> = {}
    if (!this.#take(OBJECT)) return null
    do {
      const key = this.#readText()
      if (key === null || key === '__proto__' || Object.hasOwn(members, key) || !this.#take(COLON)) return null
      const value = key === 'rows' ? this.#readRows() : this.#readScalar()
      if (value === undefined) return null
      members[key] = value
    } while (this.#take(COMMA))
    const isWhole = this.#take(OBJECT_END) && this.#peek() === undefined
    return isWhole && members['rows'] instanceof SmallBatch ? members : null
  }

  #readScalar(): string | number | boolean | null | undefined {
    const byte = this.#peek()
    if (byte === QUOTE) return this.#readText() ?? undefined
    if (byte === NULL[0]) return this.#takeWord(NULL) ? null : undefined
    if (byte === TRUE[0]) return this.#takeWord(TRUE) || undefined
    if (byte === FALSE[0]) return this.#takeWord(FALSE) ? false : undefined
    const value = this.#readNumber()
    return Number.isNaN(value) ? undefined : value
  }

  #readRows(): SmallBatch | undefined {
    const start = this.#at
    let rows = 0
    if (!this.#take(LIST)) return undefined
    do {
      if (rows === maxRows || !this.#readRow(rows === 0)) return undefined
      rows++
    } while (this.#take(COMMA))
    if (!this.#take(LIST_END)) return undefined
    const columns = this.#columns.map(({ from, to, numbers, texts }) => {
      return { name: this.#text.slice(from + 1, to - 1), numbers, texts }
    })
    const names = new Set(columns.map(({ name }) => name))
    if (names.has('__proto__') || names.size < columns.length) return undefined
    return new SmallBatch(columns, rows, this.#text.slice(start, this.#at))
  }

  #readRow(isFirst: boolean): boolean {
    const columns = this.#columns
    let index = 0
    if (!this.#take(OBJECT)) return false
    do {
      if (isFirst && !this.#addColumn()) return false
      const column = columns[index++]
      if (column === undefined || (!isFirst && !this.#takeSame(this.#bytes, column.from, column.to))) return false
      if (!this.#take(COLON) || !this.#readCell(column)) return false
    } while (this.#take(COMMA))
    return index === columns.length && this.#take(OBJECT_END)
  }

  /** Takes the key that comes next for the name of a new column. */
  #addColumn(): boolean {
    const end = this.#endOfText()
    if (end === null) return false
    this.#columns.push({ from: this.#at, to: end, numbers: [], texts: [] })
    this.#at = end
    return true
  }

  #readCell({ numbers, texts }: OpenColumn): boolean {
    const byte = this.#peek()
    if (byte === QUOTE) {
      const text = numbers.length === 0 ? this.#readText() : null
      return text !== null && texts.push(text) > 0
    }
    if (byte === NULL[0]) {
      // A column that begins with null is taken for numbers.
      if (texts.length > 0) texts.push(null)
      else numbers.push(Number.NaN)
      return this.#takeWord(NULL)
    }
    if (texts.length > 0) return false
    if (byte === TRUE[0] || byte === FALSE[0]) {
      numbers.push(byte === TRUE[0] ? 1 : 0)
      return this.#takeWord(byte === TRUE[0] ? TRUE : FALSE)
    }
    const value = this.#readNumber()
    numbers.push(value)
    return !Number.isNaN(value)
  }

  /** NaN where no number comes next. */
  #readNumber(): number {
    const value = this.#number.read(this.#bytes, this.#at)
    this.#at = this.#number.end
    return value
  }

  /** The text that comes next; null when it is none of printable ASCII without escapes. */
  #readText(): string | null {
    const end = this.#endOfText()
    if (end === null) return null
    const text = this.#text.slice(this.#at + 1, end - 1)
    this.#at = end
    return text
  }

  /** Where the text that comes next ends, quote included; null when it is none of printable ASCII without escapes. */
  #endOfText(): number | null {
    if (this.#peek() !== QUOTE) return null
    const bytes = this.#bytes
    for (let at = this.#at + 1; at < bytes.length; at++) {
      const byte = bytes[at]!
      if (byte === QUOTE) return at + 1
      if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) return null
    }
    return null
  }

  #takeWord(word: Buffer): boolean {
    return this.#takeSame(word, 0, word.length)
  }

  /** Steps over the bytes that are like those of `source` when they come next. */
  #takeSame(source: Buffer, from: number, to: number): boolean {
    this.#peek()
    const bytes = this.#bytes
    const shift = this.#at - from
    for (let at = from; at < to; at++) if (bytes[at + shift] !== source[at]) return false
    this.#at += to - from
    return true
  }

  /** Steps over this byte when it comes next. */
  #take(expected: number): boolean {
    if (this.#peek() !== expected) return false
    this.#at++
    return true
  }

  /** The next byte that is no white space, which is stepped over; undefined at the end. */
  #peek(): number | undefined {
    const bytes = this.#bytes
    while (isSpace(bytes[this.#at])) this.#at++
    return bytes[this.#at]
  }
}

const SPACE = 0x20

/** Most bytes are told by one comparison. */
const isSpace = (byte: number | undefined) =>
  byte! <= SPACE && (byte === SPACE || byte === 0x0a || byte === 0x0d || byte === 0x09)

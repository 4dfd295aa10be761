/**
 * Lists of rows that are all alike, read from JSON text straight into a table. Anything out of the ordinary is left to
 * `parseJson`, which knows what is wrong with it: here a text is either read as `JSON.parse` would, or not at all.
 */
import { NumberReader } from './number.ts'
import { RowTable } from './row-table.ts'

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const [LIST, LIST_END, OBJECT, OBJECT_END] = [0x5b, 0x5d, 0x7b, 0x7d]
const NULL = Buffer.from('null')

/** A table, and where the text goes on behind it. */
export interface TableText {
  readonly table: RowTable
  readonly end: number
}

/** A column, as the first row has it. */
interface Column {
  /** Where its key stands, quotes included, and how long it is. */
  readonly at: number
  readonly length: number
  /** Null for a column of numbers; null in the first row is a number that is not known. */
  readonly texts: (string | null)[] | null
}

/** Reads the list that begins at `start`; null when it is no list of rows that are alike, or not written plainly. */
export function readTable(bytes: Buffer, start: number): TableText | null {
  if (bytes[start] !== LIST) return null
  const columns: Column[] = []
  const number = new NumberReader()
  let values = new Float64Array(1024)
  let count = 0
  let at = start
  do {
    at = skipSpace(bytes, at + 1)
    if (bytes[at] !== OBJECT) return null
    const isFirst = count === 0
    let index = 0
    do {
      at = skipSpace(bytes, at + 1)
      const key = at
      if (isFirst) at = endOfText(bytes, at)
      else if (index < columns.length && isSame(bytes, at, columns[index]!)) at += columns[index]!.length
      else return null
      const length = at - key
      at = skipSpace(bytes, at)
      if (bytes[at] !== COLON) return null
      at = skipSpace(bytes, at + 1)
      if (isFirst) columns.push({ at: key, length, texts: bytes[at] === QUOTE ? [] : null })
      const { texts } = columns[index++]!
      let value = Number.NaN
      if (bytes[at] === NULL[0]) {
        if (bytes.compare(NULL, 0, NULL.length, at, at + NULL.length) !== 0) return null
        at += NULL.length
        texts?.push(null)
      } else if (texts === null) {
        value = number.read(bytes, at)
        if (Number.isNaN(value)) return null
        at = number.end
      } else {
        const text = at + 1
        at = endOfText(bytes, at)
        texts.push(bytes.toString('latin1', text, at - 1))
      }
      if (count === values.length) values = twice(values)
      values[count++] = value
      at = skipSpace(bytes, at)
    } while (bytes[at] === COMMA)
    if (bytes[at] !== OBJECT_END || index < columns.length) return null
    at = skipSpace(bytes, at + 1)
  } while (bytes[at] === COMMA)
  if (bytes[at] !== LIST_END) return null
  const names = columns.map((column) => bytes.toString('latin1', column.at + 1, column.at + column.length - 1))
  // A prototype is no column, and of two columns of one name nobody knows which is meant.
  if (names.includes('__proto__') || new Set(names).size < names.length) return null
  const texts = columns.map((column) => column.texts ?? undefined)
  return { table: new RowTable(names, values.subarray(0, count), texts), end: at + 1 }
}

/** Where the next byte stands that is no white space. */
function skipSpace(bytes: Buffer, start: number): number {
  let at = start
  for (;;) {
    const byte = bytes[at]!
    if (byte > 0x20 || (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09)) return at
    at++
  }
}

/** Where the text that begins here ends, quote included; the end of all bytes when it is none of printable ASCII without escapes. */
function endOfText(bytes: Buffer, start: number): number {
  if (bytes[start] !== QUOTE) return bytes.length
  for (let at = start + 1; at < bytes.length; at++) {
    const byte = bytes[at]!
    if (byte === QUOTE) return at + 1
    if (byte < 0x20 || byte > 0x7e || byte === BACKSLASH) break
  }
  return bytes.length
}

function isSame(bytes: Buffer, start: number, { at, length }: Column): boolean {
  for (let i = 0; i < length; i++) if (bytes[start + i] !== bytes[at + i]) return false
  return true
}

function twice(values: Float64Array<ArrayBuffer>): Float64Array<ArrayBuffer> {
  const more = new Float64Array(2 * values.length)
  more.set(values)
  return more
}

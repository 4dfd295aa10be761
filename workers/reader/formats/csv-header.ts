import { readSync } from 'node:fs'
import { DeepWatchError } from '../../../src/errors.ts'
import { wordNumber } from '../../../src/formats/index.ts'
import { type OpenFile, show } from '../database/index.ts'

export interface CsvHeader {
  /** As they stand in the file; `column1`, `column2` ... for columns without a name. */
  readonly names: readonly string[]
  /** Whether a column has a name in the file. */
  readonly named: readonly boolean[]
  readonly delimiter: string
  /** The first line holds the names. */
  readonly isThere: boolean
}

const DELIMITERS = [',', ';', '\t', '|']
const HEADER_BYTES = 4 * 1024 * 1024
const [LINE_FEED, RETURN, QUOTE] = [10, 13, 34]
const DATE = /^\s*(\d{4}[-/]\d{1,2}[-/]\d{1,2}|\d{1,2}[/.]\d{1,2}[/.]\d{4})(?!\d)/
const NO_WORDS = new Set<string>()

/**
 * Reads the header of a CSV file: the names in its first line, and the delimiter, which is the one of `, ; TAB |` that
 * stands in that line most often outside quotes.
 *
 * @param given whether there is a header; without it the first two lines tell
 * Throws `invalid_column_name` when the first line seems to hold data instead of names, `source_unreadable` for an open quote or
 * text that is not UTF-8, `decoded_too_large` for a first line over 4 MiB.
 */
export function readHeader({ fd, bytes }: OpenFile, given?: boolean): CsvHeader {
  const buffer = Buffer.alloc(Math.min(HEADER_BYTES, bytes))
  const head = buffer.subarray(0, readSync(fd, buffer, 0, buffer.length, 0))
  const isWhole = head.length === bytes
  const first = recordFrom(head, startOf(head), isWhole)
  const delimiter = delimiterOf(first.text)
  const fields = split(first.text, delimiter)
  if (given === undefined && looksLikeData(fields, () => secondRecord(head, first.end, delimiter, isWhole))) {
    const shown = show(first.text.slice(0, 60))
    const detail = `The first line must hold the column names, and ${shown} looks like data. Set header to false (--no-header) if the file has no names, to true (--header) if these are they.`
    throw new DeepWatchError('invalid_column_name', detail, { facts: { line: 1 } })
  }
  const isThere = given !== false
  const named = fields.map((field) => isThere && field.trim() !== '')
  const names = fields.map((field, index) => (named[index] ? field : freeName(fields, index, isThere)))
  return { names, named, delimiter, isThere }
}

function freeName(fields: readonly string[], index: number, isThere: boolean): string {
  let name = `column${index + 1}`
  while (isThere && fields.includes(name)) name = `${name}_`
  return name
}

/** Whether the first record is a row: it has numbers or dates where the second has them, and no name above a number or a date. */
function looksLikeData(first: readonly string[], readSecond: () => readonly string[]): boolean {
  const kinds = first.map(kindOf)
  if (!kinds.includes('data')) return false
  const below = readSecond().map(kindOf)
  return !kinds.some((kind, index) => kind === 'text' && below[index] === 'data')
}

function kindOf(field: string): 'data' | 'text' | 'missing' {
  if (wordNumber(field, NO_WORDS) !== null) return 'missing'
  return Number.isFinite(Number(field)) || DATE.test(field) ? 'data' : 'text'
}

function secondRecord(head: Buffer, start: number, delimiter: string, isWhole: boolean): readonly string[] {
  try {
    return split(recordFrom(head, start, isWhole).text, delimiter)
  } catch {
    return []
  }
}

/** Where the text begins: behind a byte order mark. */
const startOf = (head: Buffer) => (head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0)

/** The record from a place on, without its line end, and where it ends; a quoted field may hold line ends. */
function recordFrom(head: Buffer, from: number, isWhole: boolean): { text: string; end: number } {
  let start = from
  // Blank lines are passed over, as the database does.
  while (head[start] === LINE_FEED || head[start] === RETURN) start++
  let quoted = false
  let end = start
  for (; end < head.length; end++) {
    if (head[end] === QUOTE) quoted = !quoted
    else if (!quoted && (head[end] === LINE_FEED || head[end] === RETURN)) break
  }
  if (quoted && isWhole) {
    throw new DeepWatchError('source_unreadable', 'A quote in line 1 is never closed.', { facts: { line: 1 } })
  }
  if (end === head.length && !isWhole) {
    throw new DeepWatchError('decoded_too_large', `The first line is longer than ${HEADER_BYTES} bytes.`, {
      facts: { line: 1 },
    })
  }
  try {
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(head.subarray(start, end)), end }
  } catch {
    throw new DeepWatchError('source_unreadable', 'Line 1 is not UTF-8.', { facts: { line: 1 } })
  }
}

/** The line, from 1, in which a row begins; rows are counted from 0. Reads the file as far as that. */
export function lineOfRow({ fd }: OpenFile, row: number, { isThere }: CsvHeader): number {
  const place: Place = { line: 1, begun: 1, records: row + (isThere ? 1 : 0), isQuoted: false, isBlank: true }
  const chunk = Buffer.alloc(1024 * 1024)
  let at = 0
  for (let read = -1; read !== 0; at += read) {
    read = readSync(fd, chunk, 0, chunk.length, at)
    if (skipRecords(chunk.subarray(0, read), place)) break
  }
  return place.begun
}

interface Place {
  line: number
  /** The line in which the record began. */
  begun: number
  /** Records to pass over. */
  records: number
  isQuoted: boolean
  isBlank: boolean
}

/** Goes on through the bytes of records; true in the record that was looked for. */
function skipRecords(bytes: Uint8Array, place: Place): boolean {
  for (const byte of bytes) {
    if (byte === QUOTE) place.isQuoted = !place.isQuoted
    if (byte !== LINE_FEED) {
      place.isBlank &&= byte === RETURN
      continue
    }
    place.line++
    if (place.isQuoted) continue
    if (!place.isBlank && place.records-- === 0) return true
    place.isBlank = true
    place.begun = place.line
  }
  return false
}

function delimiterOf(line: string): string {
  let best = ','
  let max = 0
  for (const delimiter of DELIMITERS) {
    const count = split(line, delimiter).length - 1
    if (count > max) {
      best = delimiter
      max = count
    }
  }
  return best
}

/** The fields of a record; a quoted field may hold the delimiter, and two quotes stand for one. */
function split(line: string, delimiter: string): string[] {
  const fields: string[] = []
  let field = ''
  let at = 0
  while (at <= line.length) {
    if (at === line.length || line[at] === delimiter) {
      fields.push(field)
      field = ''
      at++
    } else if (line[at] === '"' && field === '') {
      const { text, next } = quotedField(line, at)
      field = text
      at = next
    } else field += line[at++]
  }
  return fields
}

function quotedField(line: string, open: number): { text: string; next: number } {
  let text = ''
  let at = open + 1
  while (at < line.length) {
    if (line[at] !== '"') text += line[at++]
    else if (line[at + 1] === '"') {
      text += '"'
      at += 2
    } else return { text, next: at + 1 }
  }
  return { text, next: at }
}

import { readSync } from 'node:fs'
import { DeepWatchError } from '../../../src/errors.ts'
import type { OpenFile } from '../database/index.ts'

export interface CsvHeader {
  readonly names: readonly string[]
  readonly delimiter: string
}

const DELIMITERS = [',', ';', '\t', '|']
const HEADER_BYTES = 4 * 1024 * 1024
/** What data looks like and names do not: a decimal number, or a date. */
const DATA = /^\s*([+-]?\d+\.\d*([eE][+-]?\d+)?|[+-]?\d+[eE][+-]?\d+|\d{4}-\d{2}-\d{2}.*)\s*$/

/**
 * Reads the header of a CSV file: the names in its first line, and the delimiter, which is the one of `, ; TAB |` that
 * stands in that line most often outside quotes.
 *
 * Throws `invalid_column_name` when the first line holds data instead of names, `source_unreadable` for an open quote or
 * text that is not UTF-8, `decoded_too_large` for a first line over 4 MiB.
 */
export function readHeader({ fd, bytes }: OpenFile): CsvHeader {
  const head = Buffer.alloc(Math.min(HEADER_BYTES, bytes))
  const length = readSync(fd, head, 0, head.length, 0)
  const line = firstRecord(head.subarray(0, length), length === bytes)
  const delimiter = delimiterOf(line)
  const names = split(line, delimiter)
  const numbers = names.every((name) => name.trim() !== '' && Number.isFinite(Number(name)))
  if (numbers || names.some((name) => DATA.test(name))) {
    throw new DeepWatchError('invalid_column_name', 'The first line must hold the column names; it looks like data.', {
      facts: { line: 1 },
    })
  }
  return { names, delimiter }
}

/** The first record without its line end; a quoted name may hold line ends. */
function firstRecord(head: Buffer, whole: boolean): string {
  let start = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? 3 : 0
  // Blank lines before the header are passed over, as the database does.
  while (head[start] === 10 || head[start] === 13) start++
  let quoted = false
  let end = start
  for (; end < head.length; end++) {
    if (head[end] === 34) quoted = !quoted
    else if (!quoted && (head[end] === 10 || head[end] === 13)) break
  }
  if (quoted && whole) {
    throw new DeepWatchError('source_unreadable', 'A quote in line 1 is never closed.', { facts: { line: 1 } })
  }
  if (end === head.length && !whole) {
    throw new DeepWatchError('decoded_too_large', `The first line is longer than ${HEADER_BYTES} bytes.`, {
      facts: { line: 1 },
    })
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(head.subarray(start, end))
  } catch {
    throw new DeepWatchError('source_unreadable', 'Line 1 is not UTF-8.', { facts: { line: 1 } })
  }
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

import { parseJson } from './json.ts'
import { readTable } from './table.ts'

/** In shorter bodies there is nothing to gain; of longer ones the depth is looked at first, and objects are made of their rows anyway. */
const leastBytes = 1024
const mostBytes = 64 * 1024

const ROWS = Buffer.from('"rows"')
const NULL = Buffer.from('null')
const [COLON, LIST, OBJECT, BACKSLASH] = [0x3a, 0x5b, 0x7b, 0x5c]
const isSpace = (byte: number | undefined) => byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09

/**
 * The value of a JSON body from outside, as `parseJson` gives it, but with a `RowTable` for the member `rows` where that is a list of
 * rows that are alike. Errors: those of `parseJson`.
 */
export function parseBody(bytes: Buffer): unknown {
  const isSuited = bytes.length >= leastBytes && bytes.length <= mostBytes
  return (isSuited ? readAround(bytes) : null) ?? parseJson(bytes)
}

/** Reads the rows apart from what stands around them; null when they are no table, or not plainly a member of the outermost object. */
function readAround(bytes: Buffer): Record<string, unknown> | null {
  const key = bytes.indexOf(ROWS)
  if (key === -1) return null
  let start = key + ROWS.length
  while (isSpace(bytes[start])) start++
  if (bytes[start++] !== COLON) return null
  while (isSpace(bytes[start])) start++
  const before = bytes.subarray(0, start)
  // What a bracket or a quote inside a text could mean is left to the parser: here the only object that is open is the outermost.
  if (before.includes(LIST) || before.includes(BACKSLASH) || before.lastIndexOf(OBJECT) !== before.indexOf(OBJECT))
    return null
  const found = readTable(bytes, start)
  if (found === null) return null
  const around = readOrNull(() => parseJson(Buffer.concat([before, NULL, bytes.subarray(found.end)])))
  return around && { ...around, rows: found.table }
}

/** What is read, or null where it is wrong: only the whole text can tell where. */
function readOrNull(read: () => unknown): Record<string, unknown> | null {
  try {
    return read() as Record<string, unknown>
  } catch {
    return null
  }
}

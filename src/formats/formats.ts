/** The input formats. A new one is added to the list at the end. */
import { DeepWatchError } from '../errors.ts'
import type { Format, FormatId, Sample } from './format.ts'

/** Magic, one footer byte at least, footer length, magic. */
const smallestParquet = 13

/**
 * Folder partitioning is never detected by the database: partition values are bound as plain lists, so that a folder
 * above a data root cannot add columns.
 */
export const parquet: Format = {
  id: 'parquet',
  title: 'Parquet',
  mediaTypes: ['application/vnd.apache.parquet', 'application/x-parquet', 'application/parquet'],
  extensions: ['.parquet'],
  matches: ({ head }) => startsWith(head, 'PAR1') || startsWith(head, 'PARE'),
  check: checkParquet,
  relation: 'read_parquet($files, hive_partitioning = false, union_by_name = false{{schema}})',
}

/** Both marks and the footer's length are checked before any parser sees the file. */
function checkParquet({ head, tail, bytes }: Sample): void {
  const end = tail.length === 8 ? String.fromCharCode(...tail.subarray(4)) : ''
  if (startsWith(head, 'PARE') || (startsWith(head, 'PAR1') && end === 'PARE')) {
    throw new DeepWatchError('parquet_encrypted', 'Encrypted Parquet files cannot be read.')
  }
  const footer = tail.length === 8 ? new DataView(tail.buffer, tail.byteOffset, 8).getUint32(0, true) : 0
  const hasMarks = bytes >= smallestParquet && startsWith(head, 'PAR1') && end === 'PAR1'
  if (!hasMarks || footer === 0 || footer > bytes - 12) {
    throw new DeepWatchError('not_parquet', 'The file is not a whole Parquet file: its marks or its footer are wrong.')
  }
}

/** DuckDB has no reader for it here: the reading process decodes the batches and feeds them through a table function. */
const arrow: Format = {
  id: 'arrow',
  title: 'Arrow IPC stream',
  mediaTypes: ['application/vnd.apache.arrow.stream'],
  extensions: ['.arrows'],
  matches: ({ head }) => beginsArrowStream(head),
  relation: 'fed()',
}

/** The stream begins with a message: the mark FFFFFFFF, the length of its metadata, a flatbuffer. */
function beginsArrowStream(head: Uint8Array): boolean {
  if (head.length < 8) return false
  const view = new DataView(head.buffer, head.byteOffset, 8)
  const length = view.getInt32(4, true)
  return view.getUint32(0, true) === 0xffffffff && length > 0 && length % 8 === 0
}

/** The answer of Prometheus to `query_range` or `query`: a JSON document of its own shape. */
const prometheus: Format = {
  id: 'prometheus',
  title: 'Prometheus query answer',
  mediaTypes: ['application/vnd.prometheus.query-range+json'],
  // Called `.json`, as NDJSON may be.
  extensions: [],
  matches: ({ head }) => {
    const text = Buffer.from(head).toString('latin1')
    return (
      /^(\xef\xbb\xbf)?\s*\{\s*"status"\s*:\s*"(success|error)"/.test(text) && /"(resultType|errorType)"\s*:/.test(text)
    )
  },
  relation: 'fed()',
}

/**
 * One object per line. Read by our own line reader, not by the database, so that a number, a string or a doubled key
 * means exactly what it means in a JSON body.
 */
const ndjson: Format = {
  id: 'ndjson',
  title: 'NDJSON',
  mediaTypes: ['application/x-ndjson', 'application/ndjson', 'application/jsonl', 'application/x-jsonlines'],
  extensions: ['.ndjson', '.jsonl', '.json'],
  matches: ({ head, bytes }) => firstByte(head) === '{' && beginsText(head, bytes),
  relation: 'fed()',
}

/**
 * UTF-8 with a header line: quote and escape are `"`, the delimiter is the one of `, ; TAB |` that the header uses.
 * Strict: ragged lines and open quotes are errors. Every column is read as text; the reading process says what it is.
 */
const csv: Format = {
  id: 'csv',
  title: 'CSV',
  mediaTypes: ['text/csv', 'application/csv'],
  extensions: ['.csv', '.tsv'],
  matches: ({ head, bytes }) => !['', '{', '[', '<'].includes(firstByte(head)) && beginsText(head, bytes),
  relation: `read_csv({{files}}, auto_detect = false, compression = 'none', header = {{header}}, delim = {{delimiter}}, quote = '"',
    escape = '"', columns = {{types}}, nullstr = '', strict_mode = true,
    ignore_errors = false, null_padding = false, max_line_size = 4194304)`,
}

/** Every input format, in the order in which content is compared with them: CSV is what is text and nothing else. */
export const formats: readonly Format[] = [parquet, arrow, prometheus, ndjson, csv]

/** The format with this id. */
export function formatOf(id: FormatId): Format {
  return formats.find((each) => each.id === id) as Format
}

/** Whether `bytes` begin with the ASCII text `mark`. */
function startsWith(bytes: Uint8Array, mark: string): boolean {
  return String.fromCharCode(...bytes.subarray(0, mark.length)) === mark
}

/**
 * Whether a file begins as UTF-8 text without control characters. The last character of a sample may be cut; a
 * NUL anywhere (UTF-16, binary) or a byte that UTF-8 does not know is not text.
 */
function beginsText(head: Uint8Array, bytes: number): boolean {
  const isControl = (byte: number) => (byte < 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d) || byte === 0x7f
  if (head.some(isControl)) return false
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: head.length < bytes })
    return true
  } catch {
    return false
  }
}

/** The first character that is neither white space nor a byte order mark; empty when there is none. */
function firstByte(head: Uint8Array): string {
  const rest = head[0] === 0xef && head[1] === 0xbb && head[2] === 0xbf ? head.subarray(3) : head
  const first = rest.find((byte) => byte !== 0x20 && byte !== 0x09 && byte !== 0x0a && byte !== 0x0d)
  return first === undefined ? '' : String.fromCharCode(first)
}

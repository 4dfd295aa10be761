import type { ErrorCode, ErrorFacts } from '../errors.ts'
import type { FormatId } from '../formats/index.ts'
import type { FileIdentity } from '../sources/index.ts'
import type {
  AggregateQuery,
  ColumnType,
  EntitiesQuery,
  FeatureQuery,
  GrowingQuery,
  ScoredQuery,
  SourceReading,
  SpanQuery,
} from './types.ts'

/**
 * What goes over the two pipes of a reading process; plain data only.
 *
 * Commands are JSON lines on its standard input, one at a time. Answers are frames on file descriptor 3: eight bytes
 * (payload length as unsigned 32-bit little-endian, kind, three zeros), then the payload. Every command is answered by
 * any number of `block`, `placed`, `bytes` and `beat` frames and then exactly one `result` or `error`. File descriptor 4 is the
 * exchange, where there is one.
 */
export const FRAME = {
  /** Sent once, unasked: the database is loaded. */
  ready: 1,
  /** JSON. */
  result: 2,
  /** JSON of `Failure`. */
  error: 3,
  /** Rows and bytes of text (two unsigned 32-bit), the columns one after the other, the text: a line per row. */
  block: 4,
  /** Bytes of the output stream. */
  bytes: 5,
  /** Empty: work is going on. */
  beat: 6,
  /** As `block`, but that the columns lie in the next place of the exchange. */
  placed: 7,
} as const

/**
 * Blocks that lie in the exchange at once, from a place each: block n in place n modulo this. Whoever takes one out says so by a byte
 * on the pipe, and only then another is put there.
 */
export const exchangePlaces = 3

export const HEADER_BYTES = 8
export const BLOCK_HEAD_BYTES = 8

/** Settings a process gets when it starts, before it knows its source. */
export interface ReaderStart {
  readonly threads: number
  readonly memoryBytes: number
  /** File descriptor 4 is an exchange. */
  readonly exchange: boolean
}

export interface CommandFile {
  readonly path: string
  readonly name: string
  readonly identity: FileIdentity
  readonly partitions: Readonly<Record<string, string | null>>
}

export interface OpenCommand {
  readonly call: 'open'
  readonly format: FormatId
  readonly files: readonly CommandFile[]
  readonly outputPath: string | null
  readonly types: readonly ColumnType[] | null
  readonly expect: readonly string[]
  readonly reading: SourceReading
  readonly maxColumns: number
  readonly maxCells: number
  readonly maxDecodedTextBytes: number
}

export type Command =
  /** Answered at once, by null. */
  | { readonly call: 'ping' }
  | OpenCommand
  | { readonly call: 'describe' }
  | { readonly call: 'span'; readonly query: SpanQuery }
  | { readonly call: 'entities'; readonly query: EntitiesQuery }
  | { readonly call: 'growing'; readonly query: GrowingQuery }
  | { readonly call: 'features'; readonly query: FeatureQuery }
  | { readonly call: 'writeScored'; readonly query: ScoredQuery }
  | { readonly call: 'arrowScored'; readonly query: ScoredQuery }
  | { readonly call: 'aggregate'; readonly query: AggregateQuery }

/** An error as it crosses the pipe. */
export interface Failure {
  readonly code: ErrorCode
  readonly detail: string
  readonly facts: ErrorFacts
  /** The database is not to be trusted any more; the process is thrown away. */
  readonly fatal: boolean
  /** For the log; set for our own mistakes alone, because the database's words carry paths and values. */
  readonly cause: string | null
}

/** The head of a frame with a payload of `length` bytes. */
export function frameHeader(kind: number, length: number): Uint8Array {
  const header = new Uint8Array(HEADER_BYTES)
  new DataView(header.buffer).setUint32(0, length, true)
  header[4] = kind
  return header
}

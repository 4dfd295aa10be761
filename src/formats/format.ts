/** The input formats by id. */
export type FormatId = 'parquet' | 'csv' | 'ndjson' | 'arrow' | 'prometheus'

/** Beginning of a file as far as recognition looks at it. */
export const HEAD_BYTES = 64 * 1024
/** End of a file as far as recognition looks at it: Parquet's footer length and magic. */
export const TAIL_BYTES = 8

/** What recognition may look at. `head` is all of the file when the file is shorter than `HEAD_BYTES`. */
export interface Sample {
  readonly head: Uint8Array
  readonly tail: Uint8Array
  /** Bytes of the whole file. */
  readonly bytes: number
}

/**
 * One input format. `relation` is the SQL table expression that yields the source's columns. `$files` in it is bound to
 * the list of opened files, `$file` to the one file; slots in double braces are filled by the reading
 * process from constants and quoted names alone.
 */
export interface Format {
  readonly id: FormatId
  readonly title: string
  /** Lower case, without parameters; the first one is the one we answer with. */
  readonly mediaTypes: readonly string[]
  /** With the dot. */
  readonly extensions: readonly string[]
  /** Whether the content looks like this format and no other one. */
  matches(sample: Sample): boolean
  /** Throws when the content carries the format's mark but cannot be a whole file of it. */
  check?(sample: Sample): void
  readonly relation: string
}

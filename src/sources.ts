import type { Readable } from 'node:stream'

export type FormatId = 'parquet' | 'csv' | 'ndjson' | 'arrow'

/** One file of a source. `path` is absolute and real; `name` is its last part and the only one shown to anybody. */
export interface SourceFile {
  readonly path: string
  readonly name: string
  readonly bytes: number
}

/** Something readable, made by one of the functions of `Sources`. */
export interface Source {
  readonly kind: 'path' | 'upload' | 'rows'
  readonly format: FormatId
  /** At least one; in reading order. */
  readonly files: readonly SourceFile[]
  /** A folder was named: folder names like `host=a` below it are partition columns. */
  readonly hive: boolean
  /** The named folder's own path when `hive`. */
  readonly root?: string | undefined
  /** Bytes of all files. */
  readonly bytes: number
  /** SHA-256 of an upload, hexadecimal. */
  readonly digest?: string | undefined
  /** Throws `source_changed` when a file is not the one that was opened. */
  verifyUnchanged(): Promise<void>
  /** Removes what was spooled. Idempotent; never throws. */
  dispose(): Promise<void>
}

export interface UploadOptions {
  /** The declared media type, parameters and all; null without one. */
  readonly mediaType: string | null
  /** The `Content-Digest` field (RFC 9530); only `sha-256` is checked. */
  readonly contentDigest?: string | null | undefined
  readonly signal?: AbortSignal | undefined
}

export interface SourceLimits {
  /** The state folder; uploads are spooled to `spool/` below it. */
  readonly home: string
  /** Folders whose files may be named by path; none means that paths are refused. */
  readonly roots: readonly string[]
  /** Files one source may have. */
  readonly maxFiles: number
  /** Bytes of one upload. */
  readonly uploadBytes: number
  /** Bytes of all spooled files together. */
  readonly spoolBytes: number
  /** An upload that brings nothing for this long is ended. */
  readonly uploadStallMs: number
  /** Bytes per second an upload must keep up, judged after `uploadGraceMs`. 0 switches it off. */
  readonly uploadMinRate: number
  readonly uploadGraceMs: number
}

export interface Sources {
  /** One file, a list of files in the given order, or a folder of Parquet files by path bytes. */
  fromPaths(paths: string | readonly string[]): Promise<Source>
  fromUpload(stream: Readable, options: UploadOptions): Promise<Source>
  /** Plain objects with JSON values, spooled as NDJSON. */
  fromRows(rows: Iterable<object>): Promise<Source>
  /** Removes what an earlier process left in the spool; called once at start. */
  sweep(): Promise<void>
}

/** One place that turns what a request names (rows, a path or an upload) into telemetry that can be read. */
import { DeepWatchError } from '../errors.ts'
import type { FormatId } from '../formats/index.ts'
import { asRows, type Rows } from '../json/index.ts'
import type { OpenOptions, ReaderSession, Readers } from '../reader/index.ts'
import type { Source, Sources } from '../sources/index.ts'
import { readRows } from './json-rows.ts'
import type { Telemetry } from './telemetry.ts'

/** The source of a request: exactly one of the three. */
export interface Requested {
  readonly rows?: Rows | undefined
  readonly source?: { readonly path: string | readonly string[] } | undefined
  /** Spooled already; disposed of by whoever took it in. */
  readonly upload: Source | null
}

/** An open source. `session` is null for rows held in memory, which no process has to read. */
export interface Opened {
  readonly telemetry: Telemetry
  readonly session: ReaderSession | null
  readonly facts: SourceFacts
  /** Ends the reading process and removes what was spooled for it. Idempotent, never throws. */
  close(): Promise<void>
}

/** What may be told about a source: base names, never folders. */
export interface SourceFacts {
  readonly kind: 'rows' | 'path' | 'upload'
  readonly format: FormatId | 'json'
  readonly files: readonly string[]
  readonly bytes: number | null
  readonly sha256: string | null
}

export interface OpenTelemetryOptions extends OpenOptions {
  /** Rows too are spooled and read by the reading process: for output that only it can write. */
  readonly needsSession?: boolean
}

export type OpenTelemetry = (requested: Requested, options?: OpenTelemetryOptions) => Promise<Opened>

/** Throws `validation_failed` without a source or with two. */
export function requireOneSource({ rows, source, upload }: Requested): void {
  if (rows && source)
    throw new DeepWatchError('validation_failed', 'rows: the source is named already; there can be only one.')
  if (!rows && !source && !upload)
    throw new DeepWatchError('validation_failed', 'rows: one of rows, source or an upload is needed.')
}

/** Errors: those of `requireOneSource`, `Sources` and `Readers`. */
export function createOpener(sources: Sources, readers: Readers): OpenTelemetry {
  return async (requested, options = {}) => {
    requireOneSource(requested)
    const { rows, source, upload } = requested
    // Only the reading process turns a row per metric into a row per time.
    if (rows && !options.needsSession && !options.reading?.pivot) {
      const telemetry = readRows(asRows(rows), { reading: options.reading })
      return {
        telemetry,
        session: null,
        facts: { kind: 'rows', format: 'json', files: [], bytes: null, sha256: null },
        close: () => telemetry.close(),
      }
    }
    const own = upload
      ? null
      : rows
        ? await sources.fromRows(asRows(rows))
        : await sources.fromPaths(source!.path, options.signal)
    const readable = upload ?? own!
    try {
      const session = await readers.open(readable, options)
      const close = async () => {
        await session.close()
        await own?.dispose()
      }
      return { telemetry: session, session, facts: factsOf(readable), close }
    } catch (error) {
      await own?.dispose()
      throw error
    }
  }
}

function factsOf(source: Source): SourceFacts {
  return {
    kind: source.kind,
    format: source.kind === 'rows' ? 'json' : source.format,
    // An upload has no name that means anything: its spool file was named by us.
    files: source.kind === 'path' ? source.files.slice(0, 1000).map((file) => file.name) : [],
    bytes: source.bytes,
    sha256: source.digest ?? null,
  }
}

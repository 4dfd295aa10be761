/**
 * What other rooms see of the reading process: plain shapes, no DuckDB, no SQL.
 * Times are epoch microseconds (UTC) as numbers, exact within +-2^53; a naive time is UTC.
 */
import type { ErrorCode, ErrorFacts } from '../errors.ts'
import type { Derivation, TimeContextColumn, ZoneTransitions } from '../kernels/history/index.ts'
import type { Block } from '../kernels/index.ts'
import type { Reading } from '../schemas/index.ts'
import type { Source } from '../sources/index.ts'

/** What a column can be used for. `other` (list, struct, blob, time, uuid ...) can be echoed, never scored. */
export type ColumnKind = 'number' | 'boolean' | 'timestamp' | 'text' | 'other'

/** What is thrown when a column is used that cannot be: files of the source disagree about it, or it cannot be decoded. */
export interface Refusal {
  readonly code: ErrorCode
  readonly detail: string
  readonly facts: ErrorFacts
  /** A training that names no features would have used it. */
  readonly byDefault: boolean
  /** Its values can be shown as text. */
  readonly shown: boolean
}

/** One column of a source, as it stands in the file. */
export interface Column {
  readonly name: string
  /** The type in SQL words, for people: `DOUBLE`, `DECIMAL(18,3)`, `TIMESTAMP WITH TIME ZONE`. */
  readonly type: string
  readonly kind: ColumnKind
  /** Comes from the folder names of a hive-partitioned folder, not from the files. */
  readonly partition: boolean
  /** Whether some value is a whole number whose double is another one. Looked for at training alone. */
  readonly precisionLoss: boolean
  /** The source names it as an index of its rows, or not at all: learnt only where it is asked for by name. */
  readonly index?: boolean
  /** Why nobody can use the column although it is there. */
  readonly refusal?: Refusal
  /** Values that are not numbers among numbers, where a format can mix them (JSON rows): how many, and the first rows. */
  readonly mistyped?: { readonly values: number; readonly firstRows: readonly number[] }
  /** Why its values are no numbers, where they look like numbers that went wrong: for whoever takes it as a feature. */
  readonly unfit?: string
  /** The order of day and month that the values of a timestamp column told; to be read in that order again. */
  readonly timestampFormat?: string
}

export interface Description {
  /** In the order of the file; partition columns last. */
  readonly columns: readonly Column[]
  /** Rows of the whole source, known without reading it for Parquet alone. */
  readonly rows: number | null
}

/** Half-open in epoch microseconds; a null bound is open. */
interface TimeRange {
  readonly from: number | null
  readonly to: number | null
}

/** Narrows a source to `from <= t < to` outside every excluded range. A row without a time is in no window. */
export interface ReadWindow extends TimeRange {
  readonly exclude: readonly TimeRange[]
}

/** What narrows a query; the column with the time is needed by a window. */
interface WindowedQuery {
  readonly timestamp?: string | undefined
  readonly window?: ReadWindow | undefined
}

/** The one kind a text format (CSV, NDJSON) must read a column as, because a model says so. */
export interface ColumnType {
  readonly name: string
  readonly kind: 'number' | 'boolean'
}

/** How the values of a source are read. */
export interface SourceReading extends Reading {
  /** The column named as timestamp; without one a column is taken that is called like one, with null none. */
  readonly timestamp?: string | null | undefined
  /** The column named as entity, which keeps its text. */
  readonly entity?: string | undefined
  /** Columns that are features, and so are no time whatever they are called. */
  readonly features?: readonly string[] | undefined
}

export interface Span {
  /** Rows of the whole source. */
  readonly rows: number
  readonly rowsInWindow: number
  /** Earliest and latest time within the window, both inclusive; null without a timestamp or without rows. */
  readonly from: number | null
  readonly to: number | null
  /** Typical microseconds from a row of an entity to its next, from the first rows of the window; null when unknown, absent when not asked for. */
  readonly interval?: number | null
  /** Share of these steps that take no time; asked for with the interval. */
  readonly tied?: number | null
}

/** What `span` is asked. */
export interface SpanQuery extends WindowedQuery {
  /** Asks for the interval; `entity` is the column that tells entities apart. Needs `timestamp`. */
  readonly interval?: { readonly entity: string | null } | undefined
}

/** What `entities` is asked. */
export interface EntitiesQuery extends WindowedQuery {
  readonly entity: string
  /** How many entities are told at most. */
  readonly max: number
}

/** What `growing` is asked: which of these columns only grow from row to row of an entity. */
export interface GrowingQuery {
  readonly columns: readonly string[]
  readonly entity: string | null
  readonly timestamp?: string | undefined
  readonly window?: ReadWindow | undefined
}

/** Rows whose steps tell whether a column only grows. */
export const growingRows = 16_384

/** Whether a column with so many steps up and down only grows: it may begin anew now and then, as a counter does. */
export const onlyGrows = (ups: number, downs: number) => ups >= 8 && 50 * downs <= ups

/** An entity by its name, and how many rows it has. */
export interface EntityRows {
  readonly name: string
  readonly rows: number
}

/** Rows whose steps tell the interval. */
export const intervalRows = 65_536

export type { TimeContextColumn }

/** One column of the feature matrix: a column of the source, a part of the time context, or what the history derives. */
export type FeatureColumn =
  | { readonly name: string; readonly kind: 'number' | 'boolean' }
  | { readonly timeContext: TimeContextColumn }
  /** Index into `FeatureQuery.history.derivations`; `name` is for people. */
  | { readonly derived: number; readonly name: string }

/** What is derived from the trailing rows of each entity, which begin with the first row of the stream. */
export interface HistoryQuery {
  /** Base columns, in the order of `Derivation.column`. */
  readonly columns: readonly { readonly name: string; readonly kind: 'number' | 'boolean' }[]
  readonly derivations: readonly Derivation[]
  /** Column that tells entities apart; without one all rows are of one entity. */
  readonly entity?: string | undefined
  /** Bytes that all histories together may take; more is `history_too_large`. */
  readonly maxBytes: number
  /** Rows of which something derived is not known are left out of the stream. Not to be had with `include`. */
  readonly completeOnly?: boolean | undefined
}

/** Columns after the features, in this order: entity, row, timestamp, label, history. */
export interface ExtraColumns {
  /**
   * Which entity the row is of: its place in `FeatureQuery.entities`, and for all others numbers from there on in the order in
   * which they appear.
   */
  readonly entity?: boolean | undefined
  /** 0-based position in the whole source, before any window. */
  readonly row?: boolean | undefined
  /** Epoch microseconds; NaN where the row has none. Needs `timestamp` in the query. */
  readonly timestamp?: boolean | undefined
  /** The label column: 1, 0, or NaN for null. Another value is `type_mismatch`. */
  readonly label?: string | undefined
  /** The label is taken as it is, whatever the number: whoever asks looks at it. */
  readonly labelUnchecked?: boolean | undefined
  /** What became of the row in its entity's history, see `rowHistory`. Needs `history` in the query. */
  readonly history?: boolean | undefined
}

/** Its timestamp is needed by the timestamp column and the time context, too. */
export interface FeatureQuery extends WindowedQuery {
  readonly features: readonly FeatureColumn[]
  /** Needed with time-context columns. */
  readonly transitions?: ZoneTransitions | undefined
  /** Needed with derived columns; needs `timestamp`. */
  readonly history?: HistoryQuery | undefined
  /** Column that tells entities apart, for the entity column; without one all rows are of one entity. */
  readonly entity?: string | undefined
  /** Entities that have numbers already, in their order. */
  readonly entities?: readonly string[] | undefined
  readonly extra?: ExtraColumns | undefined
  /** Columns echoed per row as JSON text. */
  readonly include?: readonly string[] | undefined
}

/**
 * A part of the feature stream. Every block but the last has exactly `blockRows(columns)` rows (more with `entities`) and that
 * stride, whatever the format, the window and the number of files.
 */
export interface FeatureBlock {
  readonly block: Block
  /** Index of the block's first row in the stream (after the window), 0-based. */
  readonly first: number
  /** Per row the members of a JSON object without its braces: `"host":"a","n":3`. Null when nothing is included. */
  readonly text: readonly string[] | null
  /** The name of an entity by its number in the entity column, for rows in memory; null for rows that name none. */
  readonly entity?: ((id: number) => string | null) | undefined
  /** Gives the memory back; the block must not be touched afterwards. At most a few blocks are out at once. */
  release(): void
}

interface ScoresQuery extends WindowedQuery {
  /** Raw little-endian float64 scores, one per row of the windowed source, NaN where a row is unscored. */
  readonly scoresPath: string
  /** `is_anomaly` is score > threshold. */
  readonly threshold: number
}

export interface ScoredQuery extends ScoresQuery {
  readonly anomaliesOnly: boolean
}

/** Where a feature's values are counted: in equal bins over [low, high], and one at each end for what lies beyond. */
export interface FeatureRange {
  readonly low: number
  readonly high: number
  /** Values outside are unusual: below, or above. */
  readonly usualLow: number
  readonly usualHigh: number
}

/** What is asked of a scored source for a report. */
export interface AggregateQuery extends ScoresQuery {
  readonly entity?: string | undefined
  readonly label?: string | undefined
  /** The course of the score is told in `count` buckets from `first` on, each `width` long: microseconds, or rows without a timestamp. */
  readonly buckets: { readonly first: number; readonly width: number; readonly count: number }
  /** Offsets of the local time in which hours are told; as few as the source's span needs. */
  readonly transitions: ZoneTransitions
  readonly features: readonly (FeatureRange & { readonly name: string })[]
  /** Equal bins per feature; one more at each end. */
  readonly bins: number
  /** Rows with the highest scores to tell about. */
  readonly topRows: number
  /** Entities with the most flagged rows to tell about. */
  readonly topEntities: number
}

/** What a scored source looks like: of bounded size, however many rows it has. */
export interface SourceAggregate {
  /**
   * Rows by score, ascending. `step` is the score in steps of 1/1000, `tail` from .99 on finer; together they never fall as the
   * score rises. `label` is 1, 0 or null.
   */
  readonly scores: readonly {
    readonly step: number
    readonly tail: number
    readonly flagged: boolean
    readonly label: 0 | 1 | null
    readonly rows: number
  }[]
  readonly unscored: number
  /** The buckets that have rows, ascending. `highest` and `mean` are of the scores, null where none is scored. */
  readonly buckets: readonly {
    readonly index: number
    readonly rows: number
    readonly flagged: number
    readonly labelled: number
    readonly highest: number | null
    readonly mean: number | null
  }[]
  /** Hours of the local week that have flagged rows; 0 is Monday 0:00 to 0:59. */
  readonly hours: readonly { readonly hour: number; readonly flagged: number }[]
  /** Per feature of the query, over the flagged rows. */
  readonly flaggedValues: readonly FlaggedValues[]
  /** The rows with the highest scores, highest first, earlier first among equals. */
  readonly top: readonly TopRow[]
  /** The entities with the most flagged rows, most first; null without an entity column. */
  readonly entities: {
    readonly named: readonly { readonly entity: string; readonly rows: number; readonly flagged: number }[]
    readonly othersRows: number
    readonly othersFlagged: number
    /** Other entities; at most 1,000 are counted. */
    readonly others: number
  } | null
}

export interface FlaggedValues {
  /** Flagged rows per bin: below `low`, the equal bins, above `high`. */
  readonly counts: readonly number[]
  readonly missing: number
  readonly belowUsual: number
  readonly aboveUsual: number
}

export interface TopRow {
  /** Position in the source, before any window. */
  readonly row: number
  readonly score: number
  /** Epoch microseconds. */
  readonly time: number | null
  readonly entity: string | null
  readonly label: 0 | 1 | null
  /** Per feature of the query; null for what is missing or infinite. */
  readonly values: readonly (number | null)[]
}

export interface OpenOptions {
  /** Ends the session and its process at once. */
  readonly signal?: AbortSignal | undefined
  /** The one file this session may write; see `writeScored`. */
  readonly outputPath?: string | undefined
  /** Given at scoring: nothing is sniffed for these columns in CSV and NDJSON. */
  readonly types?: readonly ColumnType[] | undefined
  readonly reading?: SourceReading | undefined
  /** Other columns that will be asked for: `describe` looks for them (NDJSON) before it says that they are absent. */
  readonly expect?: readonly string[] | undefined
}

/** One reading process with one locked database over one source. Calls are made one after another. */
export interface ReaderSession {
  /** Columns and footers only; refuses bombs, hostile names and unsupported files before data is read. */
  describe(): Promise<Description>
  span(query: SpanQuery): Promise<Span>
  /** The entities of the rows in the window, in no order; those without a name, or with an endless one, are not told. */
  entities(query: EntitiesQuery): Promise<EntityRows[]>
  /** Those of the columns that only grow, by the first rows of the window, in the order of time where there is one. */
  growing(query: GrowingQuery): Promise<string[]>
  /** Streams the feature matrix in source order. A source that breaks off ends in an error, never in fewer rows. */
  features(query: FeatureQuery): AsyncIterableIterator<FeatureBlock>
  /** Writes the source's own columns with `anomaly_score` and `is_anomaly` to the session's `outputPath` as Parquet. */
  writeScored(query: ScoredQuery): Promise<{ rows: number; bytes: number }>
  /** The same table as an Arrow IPC stream; ends with its end-of-stream marker only when complete. */
  arrowScored(query: ScoredQuery): AsyncIterableIterator<Uint8Array>
  /** Counts a scored source for a report, in SQL. Errors: those of `writeScored`, `type_mismatch` for a label that is none. */
  aggregate(query: AggregateQuery): Promise<SourceAggregate>
  /** Ends the process. Idempotent. */
  close(): Promise<void>
}

export interface ReaderLimits {
  /** Reading processes at once; a warm spare comes on top. */
  readonly readers: number
  /** Sessions that may wait for a process; one more is `overloaded`. */
  readonly queue: number
  /** DuckDB threads per process. */
  readonly threads: number
  /** DuckDB's own memory limit per process. */
  readonly memoryBytes: number
  /** RLIMIT_AS of a process; 0 sets none. */
  readonly addressSpaceBytes: number
  /** Resident bytes at which the watchdog kills a process. */
  readonly residentBytes: number
  /** A process that makes no progress for this long while somebody waits for it is killed. */
  readonly stallMs: number
  readonly maxColumns: number
  /** Rows x columns of a Parquet source, by its footers; and values handed out by any stream. */
  readonly maxCells: number
  /** Bytes of echoed text a stream may decode. */
  readonly maxDecodedTextBytes: number
  /** The state folder; an empty folder below it is the processes' HOME. */
  readonly home: string
  /** Only the first process is started before it is asked for, and no spare takes its place. */
  readonly once?: boolean | undefined
}

export interface ReaderHooks {
  /** A process died or had to be killed while it was working. */
  onDeath?(reason: 'crash' | 'fatal' | 'stall' | 'memory'): void
  log?(message: string, facts: Readonly<Record<string, unknown>>): void
}

export interface Readers {
  /** Waits for a free process; `overloaded` when the queue is full. */
  open(source: Source, options?: OpenOptions): Promise<ReaderSession>
  /** Whether the next `open` would be refused. */
  readonly saturated: boolean
  /** Sessions waiting for a process. */
  readonly queueSize: number
  /** Kills every process and refuses what waits. */
  close(): Promise<void>
}

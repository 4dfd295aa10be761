import { formatOf } from '../../../src/formats/index.ts'
import { flattenRow } from '../../../src/json/index.ts'
import type { ColumnKind } from '../../../src/reader/index.ts'
import { type ColumnCounts, countValue, describeColumn, NullValues, noCounts } from '../../../src/telemetry/index.ts'
import { formatTimestamp, parseTimestamp } from '../../../src/time/index.ts'
import {
  CHUNK_ROWS,
  type ChunkTarget,
  COUNTED_POSITION,
  checkNames,
  columnError,
  type FeedColumn,
  type FeedWalk,
  type Relation,
  type RelationColumn,
  type RelationInput,
  SQL_TYPES,
  show,
  writeNumbers,
} from '../database/index.ts'
import { JsonLines, type JsonRow } from './lines.ts'
import { rowsOfQueryRange } from './query-range.ts'

interface Survey {
  readonly keys: ReadonlyMap<string, ColumnCounts>
  /** Rows of the whole source; null when the survey stopped before its end. */
  readonly rows: number | null
}

/**
 * NDJSON as a relation. At training the whole source is surveyed, so that a column is a number because all of its values are. At
 * scoring the model says what its columns are, and the survey ends as soon as each of them has occurred; only an absent
 * one makes it read on to the end.
 */
export async function ndjsonRelation(input: RelationInput): Promise<Relation> {
  const { types, expect, reading } = input.command
  const wanted = types === null ? null : new Set([...types.map((type) => type.name), ...expect])
  return build(input, reading.flatten ? flatLines(input.files) : () => new JsonLines(input.files), wanted)
}

/** The answer of Prometheus to a query as a relation. */
export async function prometheusRelation(input: RelationInput): Promise<Relation> {
  const rows = rowsOfQueryRange(input.files)
  return build(input, () => ({ next: iterate(rows) }), null)
}

/** Starts a walk over the rows of the source. */
type StartWalk = () => Pick<JsonLines, 'next'>

const flatLines =
  (files: RelationInput['files']): StartWalk =>
  () => {
    const lines = new JsonLines(files)
    const next = () => {
      const row = lines.next()
      return row === null ? null : flattenRow(row)
    }
    return { next }
  }

function iterate(rows: readonly JsonRow[]): () => JsonRow | null {
  let at = 0
  return () => rows[at++] ?? null
}

function build(input: RelationInput, start: StartWalk, wanted: ReadonlySet<string> | null): Relation {
  const { keys, rows } = survey(input, start(), wanted)
  const { database, command } = input
  const names = [...keys.keys()]
  checkNames(names, command.maxColumns)
  const given = new Map(command.types?.map((type) => [type.name, type.kind]))
  const columns = [...keys.values()].map((counts, index) => relationColumn(counts, index, given.get(counts.name)))
  const fed: FeedColumn[] = columns.flatMap(({ kind }, index) => [
    { name: `v${index}`, type: kind === 'boolean' ? 'BOOLEAN' : isDouble(kind) ? 'DOUBLE' : 'VARCHAR' },
    { name: `j${index}`, type: 'VARCHAR' },
  ])
  const { feed } = database
  const nulls = new NullValues(command.reading)
  feed.yields(fed, () => new JsonWalk(start(), columns, nulls))
  return {
    columns,
    rows,
    from: formatOf('ndjson').relation,
    values: {},
    position: COUNTED_POSITION,
    // What was not surveyed to the end may have more columns, and other kinds.
    complete: async () => (rows === null ? build(input, start, null) : null),
  }
}

/** Reads rows until every wanted key has occurred, the time with a value, or to the end. */
function survey(
  { command }: RelationInput,
  lines: Pick<JsonLines, 'next'>,
  wanted: ReadonlySet<string> | null,
): Survey {
  const { words } = new NullValues(command.reading)
  const keys = new Map<string, ColumnCounts>()
  const missing = wanted && new Set(wanted)
  let rows = 0
  for (;;) {
    if (missing?.size === 0 && rows > 0) return { keys, rows: null }
    const row = lines.next()
    if (row === null) return { keys, rows }
    for (const key in row) {
      let seen = keys.get(key)
      if (seen === undefined) {
        seen = noCounts(key)
        keys.set(key, seen)
        if (keys.size > command.maxColumns) checkNames([...keys.keys()], command.maxColumns)
      }
      countValue(seen, row[key], rows, words)
      if (key !== command.reading.timestamp || seen.numbers + seen.texts > 0) missing?.delete(key)
    }
    rows++
  }
}

function relationColumn(counts: ColumnCounts, index: number, given: ColumnKind | undefined): RelationColumn {
  const column = describeColumn(counts, given)
  const value = `v${index}`
  return {
    ...column,
    expression: column.kind === 'timestamp' ? `make_timestamptz(${value}::bigint)` : value,
    sql: SQL_TYPES[column.kind],
    echo: `j${index}`,
  }
}

function isDouble(kind: ColumnKind): boolean {
  return kind === 'number' || kind === 'timestamp'
}

/** A text column takes anything, as JSON text. */
function textOf(value: unknown): string | null {
  return value === null || typeof value === 'string' ? value : JSON.stringify(value)
}

/** Hands rows over: per column its value in the column's type, and its value as JSON text for the echo. */
class JsonWalk implements FeedWalk {
  private readonly lines: Pick<JsonLines, 'next'>
  private readonly columns: readonly RelationColumn[]
  private readonly nulls: NullValues
  private first = 0
  private readonly doubles = new Float64Array(CHUNK_ROWS)
  private readonly flags = new Uint8Array(CHUNK_ROWS)

  constructor(lines: Pick<JsonLines, 'next'>, columns: readonly RelationColumn[], nulls: NullValues) {
    this.lines = lines
    this.columns = columns
    this.nulls = nulls
  }

  next(target: ChunkTarget, wanted: readonly number[]): void {
    const rows: JsonRow[] = []
    while (rows.length < CHUNK_ROWS) {
      const row = this.lines.next()
      if (row === null) break
      rows.push(row)
    }
    target.rows = rows.length
    wanted.forEach((number, at) => {
      const { name, kind } = this.columns[number >> 1] as RelationColumn
      const value = (row: number): unknown => (rows[row] as JsonRow)[name] ?? null
      if (number % 2 === 1) target.writeTexts(at, (row) => this.echo(value(row)))
      else if (kind === 'text') target.writeTexts(at, (row) => textOf(value(row)))
      else if (kind === 'other')
        target.writeTexts(at, (row) => (value(row) === null ? null : JSON.stringify(value(row))))
      else {
        const values = kind === 'boolean' ? this.flags : this.doubles
        writeNumbers(target, at, values, (row) => this.read(value(row), kind, name, row))
      }
    })
    this.first += rows.length
  }

  private readonly echo = (value: unknown): string => {
    const time = typeof value === 'string' ? parseTimestamp(value) : null
    return JSON.stringify(time === null ? value : formatTimestamp(time))
  }

  /** Reads a value as what its column is. 0 and 1 are booleans too, and booleans are numbers; null for a missing value. */
  private read(value: unknown, kind: ColumnKind, name: string, row: number): number | boolean | null {
    if (this.nulls.isMissing(value)) return null
    if (kind === 'timestamp') {
      const micros = typeof value === 'string' ? parseTimestamp(value) : null
      if (micros !== null) return micros
    } else if (typeof value === 'boolean') return value
    else {
      const number = this.nulls.numberOf(value)
      const isRead = typeof value === 'number' || !Number.isNaN(number)
      if (isRead && (kind === 'number' || number === 0 || number === 1)) return Number.isNaN(number) ? null : number
    }
    const at = this.first + row
    const text = JSON.stringify(value)
    const shown = text.length > 40 ? `${text.slice(0, 40)}…` : text
    const detail = `The column ${show(name)} is ${kind} and holds ${shown} in row ${at}.`
    throw columnError('type_mismatch', name, detail, { firstRows: [at] })
  }
}

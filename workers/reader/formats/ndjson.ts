import { formatOf } from '../../../src/formats/index.ts'
import type { ColumnKind } from '../../../src/reader/index.ts'
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

/** What one key of the rows holds. */
interface Seen {
  numbers: number
  booleans: number
  texts: number
  times: number
  others: number
  /** First rows whose value is neither number, boolean nor null. */
  readonly mistyped: number[]
}

interface Survey {
  readonly keys: ReadonlyMap<string, Seen>
  /** Rows of the whole source; null when the survey stopped before its end. */
  readonly rows: number | null
}

/**
 * NDJSON as a relation. At training the whole source is surveyed, so that a column is a number because all of its values are. At
 * scoring the model says what its columns are, and the survey ends as soon as each of them has occurred; only an absent
 * one makes it read on to the end.
 */
export async function ndjsonRelation(input: RelationInput): Promise<Relation> {
  const { types, expect } = input.command
  const wanted = types === null ? null : new Set([...types.map((type) => type.name), ...expect])
  return build(input, wanted)
}

function build(input: RelationInput, wanted: ReadonlySet<string> | null): Relation {
  const { keys, rows } = survey(input, wanted)
  const { database, files, command } = input
  const names = [...keys.keys()]
  checkNames(names, command.maxColumns)
  const given = new Map(command.types?.map((type) => [type.name, type.kind]))
  const columns = names.map((name, index) => describeColumn(name, index, keys.get(name) as Seen, given.get(name)))
  const fed: FeedColumn[] = columns.flatMap(({ kind }, index) => [
    { name: `v${index}`, type: kind === 'boolean' ? 'BOOLEAN' : isDouble(kind) ? 'DOUBLE' : 'VARCHAR' },
    { name: `j${index}`, type: 'VARCHAR' },
  ])
  const { feed } = database
  feed.yields(fed, () => new JsonWalk(new JsonLines(files), columns))
  return {
    columns,
    rows,
    from: formatOf('ndjson').relation,
    values: {},
    position: COUNTED_POSITION,
    // What was not surveyed to the end may have more columns, and other kinds.
    complete: async () => (rows === null ? build(input, null) : null),
  }
}

/** Reads rows until every wanted key has occurred, or to the end. */
function survey({ files, command }: RelationInput, wanted: ReadonlySet<string> | null): Survey {
  const lines = new JsonLines(files)
  const keys = new Map<string, Seen>()
  const missing = wanted && new Set(wanted)
  let rows = 0
  for (;;) {
    if (missing?.size === 0 && rows > 0) return { keys, rows: null }
    const row = lines.next()
    if (row === null) return { keys, rows }
    for (const key in row) {
      let seen = keys.get(key)
      if (seen === undefined) {
        seen = { numbers: 0, booleans: 0, texts: 0, times: 0, others: 0, mistyped: [] }
        keys.set(key, seen)
        missing?.delete(key)
        if (keys.size > command.maxColumns) checkNames([...keys.keys()], command.maxColumns)
      }
      count(seen, row[key], rows)
    }
    rows++
  }
}

function count(seen: Seen, value: unknown, row: number): void {
  if (typeof value === 'number') seen.numbers++
  else if (typeof value === 'boolean') seen.booleans++
  else if (value !== null) {
    if (typeof value === 'string') {
      // Once a text is no time the column is none, and the rest need not be looked at.
      if (seen.times === seen.texts && parseTimestamp(value) !== null) seen.times++
      seen.texts++
    } else seen.others++
    if (seen.mistyped.length < 3) seen.mistyped.push(row)
  }
}

function kindOf({ numbers, booleans, texts, times, others }: Seen): ColumnKind {
  if (texts + others === 0) return booleans > 0 && numbers === 0 ? 'boolean' : 'number'
  if (numbers + booleans + others > 0) return 'other'
  return times === texts ? 'timestamp' : 'text'
}

const TYPES: Readonly<Record<ColumnKind, string>> = {
  number: 'number',
  boolean: 'boolean',
  timestamp: 'timestamp',
  text: 'string',
  other: 'mixed',
}

function describeColumn(name: string, index: number, seen: Seen, given: ColumnKind | undefined): RelationColumn {
  const { numbers, booleans, texts, others, mistyped } = seen
  const kind = given ?? kindOf(seen)
  const empty = given === undefined && numbers + booleans + texts + others === 0
  const mixed = given === undefined && numbers + booleans > 0 && texts + others > 0
  return {
    name,
    type: empty ? 'null' : TYPES[kind],
    kind,
    partition: false,
    precisionLoss: false,
    ...(mixed ? { mistyped: { values: texts + others, firstRows: mistyped } } : {}),
    expression: kind === 'timestamp' ? `make_timestamptz(v${index}::bigint)` : `v${index}`,
    sql: SQL_TYPES[kind],
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
  private readonly lines: JsonLines
  private readonly columns: readonly RelationColumn[]
  private first = 0
  private readonly doubles = new Float64Array(CHUNK_ROWS)
  private readonly flags = new Uint8Array(CHUNK_ROWS)

  constructor(lines: JsonLines, columns: readonly RelationColumn[]) {
    this.lines = lines
    this.columns = columns
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

  /** Reads a value as what its column is. 0 and 1 are booleans too, and booleans are numbers. */
  private read(value: unknown, kind: ColumnKind, name: string, row: number): number | boolean | null {
    if (value === null) return null
    if (kind === 'timestamp') {
      const micros = typeof value === 'string' ? parseTimestamp(value) : null
      if (micros !== null) return micros
    } else if (typeof value === 'boolean') return value
    else if (typeof value === 'number' && (kind === 'number' || value === 0 || value === 1)) return value
    const at = this.first + row
    const detail = `The column ${show(name)} has a value of another type in row ${at}.`
    throw columnError('type_mismatch', name, detail, { firstRows: [at] })
  }
}

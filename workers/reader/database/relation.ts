import { DeepWatchError, type ErrorCode, type ErrorFacts } from '../../../src/errors.ts'
import { type Column, type ColumnKind, type OpenCommand, usable } from '../../../src/reader/index.ts'
import type { Database } from './database.ts'
import type { OpenFile } from './files.ts'
import type { Values } from './query.ts'

/** A column of the source with the expression that reads it within the relation. */
export interface RelationColumn extends Column {
  readonly expression: string
  /** The SQL type of the expression, in full. */
  readonly sql: string
  /** The value as JSON text, for formats that have it at hand. */
  readonly echo?: string
  /** The value as it is written in the source, where that is more than the value. */
  readonly text?: string
}

/** The source as SQL sees it. */
export interface Relation {
  readonly columns: readonly RelationColumn[]
  /** Rows of the whole source, exact and known without reading it; else null. */
  readonly rows: number | null
  /** Table expression with its slots filled; `values` are bound to it. */
  readonly from: string
  readonly values: Values
  /** Expression for a row's 0-based position in the whole source. */
  readonly position: string
  /** Rows that are decoded together, on average, where a file has such groups and knows its rows' positions. */
  readonly groupRows?: number
  /** A relation with every column and exact kinds, where this one stopped looking early; null where it did not. */
  complete?(): Promise<Relation | null>
  /** Looks for the first value that is not of its column's kind, after reading failed for one. */
  misfit?(): Promise<DeepWatchError | null>
}

/** What a format needs to build its relation. */
export interface RelationInput {
  readonly database: Database
  readonly files: readonly OpenFile[]
  readonly command: OpenCommand
}

/** Position by counting: right for every source, but the whole source must be read for it. */
export const COUNTED_POSITION = 'row_number() over () - 1'

const NUMBERS =
  /^(TINYINT|SMALLINT|INTEGER|BIGINT|HUGEINT|UTINYINT|USMALLINT|UINTEGER|UBIGINT|UHUGEINT|FLOAT|DOUBLE|DECIMAL\(\d+,\d+\))$/
const TIMES = /^(TIMESTAMP|TIMESTAMP_S|TIMESTAMP_MS|TIMESTAMP_NS|TIMESTAMP WITH TIME ZONE|DATE)$/

/** The SQL types that the kinds are read as where a format is text. */
export const SQL_TYPES: Readonly<Record<ColumnKind, string>> = {
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'TIMESTAMP WITH TIME ZONE',
  text: 'VARCHAR',
  other: 'VARCHAR',
}

/** What an SQL type can be used for. */
export function kindOfType(type: string): ColumnKind {
  if (NUMBERS.test(type)) return 'number'
  if (type === 'BOOLEAN') return 'boolean'
  if (TIMES.test(type)) return 'timestamp'
  return type === 'VARCHAR' ? 'text' : 'other'
}

/**
 * Refuses column names that could not be told apart or quoted: `invalid_column_name` for an empty one and one with NUL,
 * `duplicate_column` for two that are equal but for the case of ASCII letters, which is how SQL compares them.
 */
export function checkNames(names: readonly string[], maxColumns: number): void {
  if (names.length > maxColumns) {
    const detail = `The source has ${names.length} columns; at most ${maxColumns} are read.`
    throw new DeepWatchError('too_many_columns', detail, { facts: { columns: names.length, limit: maxColumns } })
  }
  const seen = new Map<string, string>()
  for (const name of names) {
    if (name === '' || name.includes('\0')) {
      const detail = name === '' ? 'A column has no name.' : 'A column name contains NUL.'
      throw new DeepWatchError('invalid_column_name', detail)
    }
    const key = foldCase(name)
    const other = seen.get(key)
    if (other !== undefined) {
      throw new DeepWatchError('duplicate_column', `The columns ${show(other)} and ${show(name)} have the same name.`, {
        facts: { columns: [clip(other), clip(name)] },
      })
    }
    seen.set(key, name)
  }
}

/** Lower case of ASCII letters alone, as the database compares names. */
export function foldCase(name: string): string {
  return name.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase())
}

/** The column of this name, byte for byte. Throws `unknown_column`, and the refusal of one that cannot be decoded. */
export function columnOf(relation: Relation, name: string): RelationColumn {
  const column = relation.columns.find((each) => each.name === name)
  if (column === undefined) {
    throw new DeepWatchError('unknown_column', `The source has no column ${show(name)}.`, {
      facts: { column: clip(name) },
    })
  }
  return decodable(column)
}

/** The column, unless its values cannot be decoded. */
export function decodable(column: RelationColumn): RelationColumn {
  const { refusal } = column
  return refusal?.shown === false ? usable(column) : column
}

/** An error over a column, whose name is the first of its facts. */
export function columnError(code: ErrorCode, name: string, detail: string, facts: ErrorFacts = {}): DeepWatchError {
  return new DeepWatchError(code, detail, { facts: { column: name.slice(0, 200), ...facts } })
}

/** A name as it may stand in a message: quoted, and cut when long. */
export function show(name: string): string {
  return JSON.stringify(clip(name))
}

function clip(name: string): string {
  return name.length > 200 ? `${name.slice(0, 200)}…` : name
}

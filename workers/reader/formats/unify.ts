import type { ColumnKind, Refusal } from '../../../src/reader/index.ts'
import { kindOfType, show } from '../database/index.ts'

/** The type of a column that holds nothing but nulls, as people read it. */
export const NULL_TYPE = 'null'

/** A column as some files have it. */
export interface Part {
  /** SQL type, or `NULL_TYPE`. */
  readonly type: string
  /** One of these files, as people know it. */
  readonly file: string
}

/** What a column of several files is read as. */
export interface Unified {
  /** The type as people read it. */
  readonly type: string
  readonly sql: string
  readonly kind: ColumnKind
  readonly refusal?: Refusal
}

/**
 * The one type that holds a column of files whose types differ: numbers (and booleans among them) widen, times are instants in
 * UTC, and a part without values fits everything. Parts that fit no one type are text that can be shown and nothing else.
 */
export function unify(name: string, parts: readonly Part[]): Unified {
  const told = parts.filter(({ type }) => type !== NULL_TYPE)
  const types = [...new Set(told.map(({ type }) => type))]
  const kinds = new Set(types.map(kindOfType))
  if (types.length === 0) return { type: NULL_TYPE, sql: 'INTEGER', kind: 'number' }
  if (types.length === 1) return plain(types[0] as string)
  if ([...kinds].every((kind) => kind === 'number' || kind === 'boolean')) return plain(widest(types))
  if (kinds.size === 1 && kinds.has('timestamp')) return plain(types.includes(ZONED) ? ZONED : 'TIMESTAMP')
  return { type: 'mixed', sql: 'VARCHAR', kind: 'other', refusal: conflict(name, told, kinds) }
}

const ZONED = 'TIMESTAMP WITH TIME ZONE'
const BITS: Readonly<Record<string, number>> = { TINYINT: 8, SMALLINT: 16, INTEGER: 32, BIGINT: 64, BOOLEAN: 8 }
const LONGEST_TYPE = 200

function plain(sql: string): Unified {
  return { type: shortType(sql), sql, kind: kindOfType(sql) }
}

/** A type as it may stand in a message. */
function shortType(sql: string): string {
  return sql.length > LONGEST_TYPE ? `${sql.slice(0, LONGEST_TYPE)}…` : sql
}

/** The smallest type for all of these numbers; whole numbers stay whole. */
function widest(types: readonly string[]): string {
  const bits = types.map((type) => (type.startsWith('U') ? 2 * bitsOf(type.slice(1)) : bitsOf(type)))
  if (bits.some(Number.isNaN)) return 'DOUBLE'
  const all = Math.max(...bits)
  return Object.keys(BITS).find((type) => BITS[type] === all) ?? 'DECIMAL(20,0)'
}

function bitsOf(type: string): number {
  return BITS[type] ?? Number.NaN
}

function conflict(name: string, parts: readonly Part[], kinds: ReadonlySet<ColumnKind>): Refusal {
  const first = parts[0] as Part
  const differs = parts.filter(({ type }) => type !== first.type)
  const other = differs.find(({ type }) => kindOfType(type) !== kindOfType(first.type)) ?? (differs[0] as Part)
  const [here, there] = [first, other].map(({ type, file }) => `${shortType(type)} in ${file}`)
  return {
    code: 'type_mismatch',
    detail: `The column ${show(name)} is ${here} and ${there}. Give it one type, or leave it out with features.`,
    facts: {
      column: name.slice(0, LONGEST_TYPE),
      files: [first.file, other.file],
      types: [shortType(first.type), shortType(other.type)],
    },
    // What is neither number nor time in any file is not learnt in any case.
    byDefault: [...kinds].some((kind) => kind !== 'text' && kind !== 'other'),
    shown: true,
  }
}

import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBDataChunk,
  type DuckDBType,
  FLOAT,
  INTEGER,
  SMALLINT,
  TINYINT,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  VARCHAR,
} from '@duckdb/node-api'
import type { DataType, Field, Vector } from 'apache-arrow'
import type { ColumnKind } from '../src/reader-types.ts'
import { writeColumn } from './reader-feed.ts'
import type { RelationColumn } from './reader-relation.ts'

type Arrow = typeof import('apache-arrow')

/** How one Arrow column is handed to the database. */
export interface ArrowColumn {
  readonly column: RelationColumn
  readonly type: DuckDBType
  /** The values lie in an array of the database's own element type and are copied as they are. */
  readonly plain: boolean
  /** Turns an Arrow value that is not null into the database's. */
  readonly convert: (value: unknown) => unknown
}

interface Mapping {
  readonly kind: ColumnKind
  readonly type: DuckDBType
  /** The SQL type's name. */
  readonly sql: string
  readonly plain?: boolean
  readonly convert?: (value: unknown) => unknown
  /** The expression that turns the fed value `v` into the column. */
  readonly expression?: (v: string) => string
  readonly precisionLoss?: boolean
}

/** Decides how a field is read. Nested and exotic types become text and are of kind `other`. */
export function arrowColumn(arrow: Arrow, field: Field, index: number): ArrowColumn {
  const {
    kind,
    type,
    sql,
    plain = false,
    convert = same,
    expression = (v) => v,
    precisionLoss = false,
  } = mappingOf(arrow, field.type)
  const column: RelationColumn = {
    name: field.name,
    type: sql,
    kind,
    partition: false,
    precisionLoss,
    expression: expression(`v${index}`),
    sql: kind === 'timestamp' ? sql : String(type),
  }
  return { column, type, plain, convert }
}

/** Copies rows of a column of one batch into a chunk. */
export function writeArrow(
  chunk: DuckDBDataChunk,
  at: number,
  { plain, convert }: ArrowColumn,
  vector: Vector | null,
  from: number,
  rows: number,
): void {
  const data = vector?.data[0]
  if (!plain || data === undefined) {
    writeColumn(chunk, at, rows, (row) => {
      const value: unknown = vector?.get(from + row) ?? null
      return value === null ? null : convert(value)
    })
    return
  }
  // As they lie in the stream: asked for by `get`, a time would come in another unit.
  const values = data.values as ArrayLike<unknown> & { subarray(from: number, to: number): unknown }
  if (data.nullCount > 0) {
    writeColumn(chunk, at, rows, (row) => (data.getValid(from + row) ? values[from + row] : null))
    return
  }
  const target = chunk.getColumnVector(at) as unknown as { items: { set(values: unknown): void }; flush(): void }
  target.items.set(values.subarray(from, from + rows))
  target.flush()
}

function mappingOf(arrow: Arrow, type: DataType): Mapping {
  if (arrow.DataType.isInt(type)) return integer(type.bitWidth, type.isSigned)
  if (arrow.DataType.isFloat(type)) {
    if (type.precision === arrow.Precision.DOUBLE) return { kind: 'number', type: DOUBLE, sql: 'DOUBLE', plain: true }
    return { kind: 'number', type: FLOAT, sql: 'FLOAT', plain: type.precision === arrow.Precision.SINGLE }
  }
  if (arrow.DataType.isDecimal(type)) {
    const { precision, scale } = type
    return {
      kind: 'number',
      type: DOUBLE,
      sql: `DECIMAL(${precision},${scale})`,
      convert: (value) => decimal(value as Uint32Array, scale),
    }
  }
  if (arrow.DataType.isBool(type)) return { kind: 'boolean', type: BOOLEAN, sql: 'BOOLEAN' }
  if (arrow.DataType.isTimestamp(type)) return timestamp(arrow, type.unit, type.timezone)
  if (arrow.DataType.isDate(type)) {
    // apache-arrow gives a date as milliseconds.
    return {
      kind: 'timestamp',
      type: DOUBLE,
      sql: 'TIMESTAMP',
      convert: Number,
      expression: (v) => `make_timestamp((${v} * 1000)::bigint)`,
    }
  }
  if (arrow.DataType.isUtf8(type) || arrow.DataType.isLargeUtf8(type))
    return { kind: 'text', type: VARCHAR, sql: 'VARCHAR' }
  if (arrow.DataType.isDictionary(type)) {
    const { plain: _, ...mapping } = mappingOf(arrow, type.dictionary)
    return mapping
  }
  if (arrow.DataType.isNull(type)) return { kind: 'number', type: DOUBLE, sql: 'null' }
  return { kind: 'other', type: VARCHAR, sql: String(type).slice(0, 200), convert: textOf }
}

function integer(width: number, signed: boolean): Mapping {
  const signedTypes = { 8: TINYINT, 16: SMALLINT, 32: INTEGER, 64: BIGINT } as const
  const unsignedTypes = { 8: UTINYINT, 16: USMALLINT, 32: UINTEGER, 64: UBIGINT } as const
  const type = (signed ? signedTypes : unsignedTypes)[width as 8 | 16 | 32 | 64]
  return { kind: 'number', type, sql: String(type), plain: true, precisionLoss: width === 64 }
}

/** Times come as whole numbers of their unit; the database makes instants of them, or refuses what does not fit. */
function timestamp(arrow: Arrow, unit: number, zone: string | null | undefined): Mapping {
  const zoned = zone !== null && zone !== undefined && zone !== ''
  const make = zoned ? 'make_timestamptz' : 'make_timestamp'
  const micros = (v: string): string => {
    if (unit === arrow.TimeUnit.SECOND) return `${v} * 1000000`
    if (unit === arrow.TimeUnit.MILLISECOND) return `${v} * 1000`
    return unit === arrow.TimeUnit.MICROSECOND ? v : `${v} // 1000`
  }
  return {
    kind: 'timestamp',
    type: BIGINT,
    sql: zoned ? 'TIMESTAMP WITH TIME ZONE' : 'TIMESTAMP',
    plain: true,
    expression: (v) => `${make}(${micros(v)})`,
  }
}

/** Little-endian two's complement of 128 or 256 bits. */
function decimal(words: Uint32Array, scale: number): number {
  let value = 0n
  for (let i = words.length - 1; i >= 0; i--) value = (value << 32n) | BigInt(words[i] as number)
  return Number(`${BigInt.asIntN(words.length * 32, value)}e${-scale}`)
}

function textOf(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? String(value)
}

function same(value: unknown): unknown {
  return value
}

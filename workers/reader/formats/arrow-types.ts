import type { Data, DataType, Field, Vector } from 'apache-arrow'
import type { ColumnKind, Refusal } from '../../../src/reader/index.ts'
import {
  CHUNK_ROWS,
  type ChunkTarget,
  type FeedType,
  type RelationColumn,
  show,
  writeNumbers,
} from '../database/index.ts'

type Arrow = typeof import('apache-arrow')

/** How one Arrow column is handed to the database. */
export interface ArrowColumn {
  readonly column: RelationColumn
  readonly type: FeedType
  readonly write: ArrowWriter
}

/** Writes rows `from` and on of one batch's column, as many as the target has. */
type ArrowWriter = (target: ChunkTarget, at: number, vector: Vector | null, from: number) => void

interface Mapping {
  readonly kind: ColumnKind
  /** The type as people read it. */
  readonly type: string
  readonly fed: FeedType
  readonly write: ArrowWriter
  /** SQL that turns the fed value `v` into the column, and the type of the result; without it the column is as fed. */
  readonly made?: { readonly expression: (v: string) => string; readonly sql: string }
}

/** Decides how a field is read. Nested and exotic types become text and are of kind `other`. */
export function arrowColumn(arrow: Arrow, field: Field, index: number): ArrowColumn {
  const { kind, type, fed, write, made } = mappingOf(arrow, field.type)
  const fedName = `v${index}`
  const column: RelationColumn = {
    name: field.name,
    type,
    kind,
    partition: false,
    precisionLoss: false,
    expression: made?.expression(fedName) ?? fedName,
    sql: made?.sql ?? fed,
    ...(holdsDecimals(arrow, field.type) && { refusal: refuseDecimals(field.name, type) }),
  }
  return { column, type: fed, write }
}

/** Whether there are decimals inside: they are shown without their point. */
function holdsDecimals(arrow: Arrow, type: DataType): boolean {
  const inside = (type.children as Field[] | null) ?? []
  return inside.some((field) => arrow.DataType.isDecimal(field.type) || holdsDecimals(arrow, field.type))
}

function refuseDecimals(name: string, type: string): Refusal {
  const detail = `The column ${show(name)} is ${type}; decimals inside of other types are not read. Write them as DOUBLE.`
  return { code: 'type_mismatch', detail, facts: { column: name.slice(0, 200) }, byDefault: false, shown: false }
}

function mappingOf(arrow: Arrow, type: DataType): Mapping {
  if (arrow.DataType.isInt(type)) return integer(type.bitWidth, type.isSigned)
  if (arrow.DataType.isFloat(type)) {
    if (type.precision === arrow.Precision.DOUBLE) return { kind: 'number', type: 'DOUBLE', fed: 'DOUBLE', write: copy }
    if (type.precision === arrow.Precision.SINGLE) return { kind: 'number', type: 'FLOAT', fed: 'FLOAT', write: copy }
    return { kind: 'number', type: 'FLOAT16', fed: 'DOUBLE', write: doubles(Number) }
  }
  if (arrow.DataType.isDecimal(type)) {
    const { precision, scale } = type
    const write = doubles((value) => decimal(value as Uint32Array, scale))
    return { kind: 'number', type: `DECIMAL(${precision},${scale})`, fed: 'DOUBLE', write }
  }
  if (arrow.DataType.isBool(type)) return { kind: 'boolean', type: 'BOOLEAN', fed: 'BOOLEAN', write: booleans }
  if (arrow.DataType.isTimestamp(type)) return timestamp(arrow, type.unit, type.timezone)
  if (arrow.DataType.isDate(type)) {
    // Asked for by `get`, a date is milliseconds, whatever its unit.
    const made = { expression: (v: string) => `make_timestamp((${v} * 1000)::bigint)`, sql: 'TIMESTAMP' }
    return { kind: 'timestamp', type: 'DATE', fed: 'DOUBLE', write: doubles(Number), made }
  }
  if (arrow.DataType.isUtf8(type) || arrow.DataType.isLargeUtf8(type) || arrow.DataType.isUtf8View(type)) {
    return { kind: 'text', type: 'VARCHAR', fed: 'VARCHAR', write: texts(String) }
  }
  if (arrow.DataType.isDictionary(type)) return dictionary(arrow, type.dictionary)
  if (arrow.DataType.isNull(type)) return { kind: 'number', type: 'null', fed: 'DOUBLE', write: doubles(Number) }
  return { kind: 'other', type: String(type).slice(0, 200), fed: 'VARCHAR', write: texts(jsonOf) }
}

function integer(width: number, signed: boolean): Mapping {
  const types = { 8: 'TINYINT', 16: 'SMALLINT', 32: 'INTEGER', 64: 'BIGINT' } as const
  const name = types[width as keyof typeof types]
  const fed = signed ? name : (`U${name}` as const)
  return { kind: 'number', type: fed, fed, write: copy }
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
  const sql = zoned ? 'TIMESTAMP WITH TIME ZONE' : 'TIMESTAMP'
  const made = { expression: (v: string) => `${make}(${micros(v)})`, sql }
  return { kind: 'timestamp', type: sql, fed: 'BIGINT', write: copy, made }
}

/** A dictionary is read as its values, one by one. */
function dictionary(arrow: Arrow, values: DataType): Mapping {
  const mapping = mappingOf(arrow, values)
  if (mapping.write !== copy) return mapping
  if (mapping.kind === 'timestamp') {
    // Asked for by `get`, a time is milliseconds with a fraction, whatever its unit.
    const make = mapping.made?.sql === 'TIMESTAMP' ? 'make_timestamp' : 'make_timestamptz'
    const expression = (v: string): string => `${make}(round(${v} * 1000)::bigint)`
    return {
      ...mapping,
      fed: 'DOUBLE',
      write: doubles(Number),
      made: { expression, sql: mapping.made?.sql ?? 'TIMESTAMP' },
    }
  }
  if (mapping.fed === 'BIGINT' || mapping.fed === 'UBIGINT') return { ...mapping, write: bigints }
  return { ...mapping, fed: 'DOUBLE', write: doubles(Number) }
}

/**
 * Throws where a column of a batch has fewer bytes than rows: the library reads beyond them, and finds zeros, or what was there before.
 */
export function requireWhole(
  arrow: Arrow,
  { type, offset, length, values, valueOffsets, nullBitmap, nullCount }: Data,
): void {
  const end = offset + length
  const bits = bitsOf(arrow, type)
  const isShort =
    (bits !== null && (values?.byteLength ?? 0) * 8 < end * bits) ||
    (arrow.DataType.isUtf8(type) && (valueOffsets?.length ?? 0) <= length && length > 0) ||
    (nullCount > 0 && nullBitmap !== undefined && nullBitmap.byteLength * 8 < end)
  if (isShort) throw new Error('a column is shorter than its batch')
}

/** Bits of a value; null where they are not all alike. */
function bitsOf(arrow: Arrow, type: DataType): number | null {
  if (arrow.DataType.isBool(type)) return 1
  if (arrow.DataType.isDictionary(type)) return bitsOf(arrow, type.indices)
  if (arrow.DataType.isInt(type) || arrow.DataType.isDecimal(type)) return type.bitWidth
  if (arrow.DataType.isFloat(type)) return 16 << type.precision
  if (arrow.DataType.isTimestamp(type)) return 64
  return arrow.DataType.isDate(type) ? 32 << type.unit : null
}

/** Copies elements as they lie in the stream: asked for by `get`, a time would come in another unit. */
const copy: ArrowWriter = (target, at, vector, from) => {
  const data = vector?.data[0]
  if (data === undefined) throw new Error('a batch lacks a column')
  const values = data.values as Float64Array<ArrayBuffer>
  const valid = data.nullCount > 0 ? (row: number): boolean => data.getValid(from + row) : null
  target.write(at, values.subarray(from, from + target.rows), valid)
}

const doubleRoom = new Float64Array(CHUNK_ROWS)
const booleanRoom = new Uint8Array(CHUNK_ROWS)

function doubles(convert: (value: unknown) => number): ArrowWriter {
  return (target, at, vector, from) => {
    writeNumbers(target, at, doubleRoom, (row) => {
      const value: unknown = vector?.get(from + row) ?? null
      return value === null ? null : convert(value)
    })
  }
}

const bigintRoom = new BigInt64Array(CHUNK_ROWS)

const bigints: ArrowWriter = (target, at, vector, from) => {
  const value = (row: number): bigint | null => (vector?.get(from + row) ?? null) as bigint | null
  for (let row = 0; row < target.rows; row++) bigintRoom[row] = value(row) ?? 0n
  target.write(at, bigintRoom.subarray(0, target.rows), (row) => value(row) !== null)
}

const booleans: ArrowWriter = (target, at, vector, from) => {
  writeNumbers(target, at, booleanRoom, (row) => (vector?.get(from + row) ?? null) as boolean | null)
}

function texts(convert: (value: unknown) => string): ArrowWriter {
  return (target, at, vector, from) => {
    target.writeTexts(at, (row) => {
      const value: unknown = vector?.get(from + row) ?? null
      return value === null ? null : convert(value)
    })
  }
}

/** Little-endian two's complement of 128 or 256 bits. */
function decimal(words: Uint32Array, scale: number): number {
  let value = 0n
  for (let i = words.length - 1; i >= 0; i--) value = (value << 32n) | BigInt(words[i] as number)
  return Number(`${BigInt.asIntN(words.length * 32, value)}e${-scale}`)
}

function jsonOf(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each)) ?? String(value)
}

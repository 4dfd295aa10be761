import {
  Bool,
  type Data,
  type DataType,
  DateDay,
  Decimal,
  Float32,
  Float64,
  Int8,
  Int16,
  Int32,
  Int64,
  makeData,
  TimestampMicrosecond,
  Uint8,
  Uint16,
  Uint32,
  Uint64,
  Utf8,
} from 'apache-arrow'
import { type Chunk, isValid } from './reader-duckdb.ts'

/** A column on its way out: chunks are added, a batch is taken. */
export interface OutputColumn {
  readonly name: string
  readonly type: DataType
  /** The expression that leaves, over the quoted name of the column. */
  readonly cast: (name: string) => string
  /** Bytes of text gathered since the last batch. */
  readonly textBytes: number
  add(chunk: Chunk, column: number, rows: number): void
  /** Everything added since the last time. */
  take(): Data
}

type Numbers =
  | Float64Array
  | Float32Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array

const NUMBERS: Readonly<Record<string, () => DataType>> = {
  DOUBLE: () => new Float64(),
  FLOAT: () => new Float32(),
  TINYINT: () => new Int8(),
  SMALLINT: () => new Int16(),
  INTEGER: () => new Int32(),
  BIGINT: () => new Int64(),
  UTINYINT: () => new Uint8(),
  USMALLINT: () => new Uint16(),
  UINTEGER: () => new Uint32(),
  UBIGINT: () => new Uint64(),
}
const TIMES = /^TIMESTAMP(_S|_MS|_NS)?$/
const DECIMAL = /^DECIMAL\((\d+),(\d+)\)$/
/** As wide as they come: 128 bits, in the same layout on both sides. */
const DECIMAL_PRECISION = 38

/** Decides how a column of an SQL type leaves: simple types as themselves, times in microseconds, everything else as text. */
export function outputColumn(name: string, sql: string): OutputColumn {
  const number = NUMBERS[sql]
  if (number !== undefined) return new NumberColumn(name, number(), (column) => column)
  if (sql === 'BOOLEAN') return new BooleanColumn(name)
  const micros = (column: string): string => `epoch_us(${column})`
  if (TIMES.test(sql)) return new NumberColumn(name, new TimestampMicrosecond(), micros)
  if (sql === 'TIMESTAMP WITH TIME ZONE') return new NumberColumn(name, new TimestampMicrosecond('UTC'), micros)
  if (sql === 'DATE')
    return new NumberColumn(name, new DateDay(), (column) => `(${column} - date '1970-01-01')::integer`)
  const scale = DECIMAL.exec(sql)?.[2]
  if (scale !== undefined) {
    const type = new Decimal(Number(scale), DECIMAL_PRECISION, 128)
    return new NumberColumn(name, type, (column) => `${column}::decimal(${DECIMAL_PRECISION}, ${scale})`)
  }
  return new TextColumn(name)
}

/** Which rows are not null, gathered as a bit per row. */
class Validity {
  nulls = 0
  private bits = new Uint8Array(0)

  /** `rows` rows were there before; `isValid` is null when none of the new ones is null. */
  add(before: number, rows: number, isValid: ((row: number) => boolean) | null): void {
    const bytes = (before + rows + 7) >> 3
    if (bytes > this.bits.length) {
      const grown = new Uint8Array(Math.max(bytes, 2 * this.bits.length))
      grown.set(this.bits)
      this.bits = grown
    }
    for (let row = 0; row < rows; row++) {
      if (isValid === null || isValid(row)) (this.bits[(before + row) >> 3] as number) |= 1 << ((before + row) & 7)
      else this.nulls++
    }
  }

  take(): { nullCount: number; nullBitmap: Uint8Array | null } {
    const taken = { nullCount: this.nulls, nullBitmap: this.nulls === 0 ? null : this.bits }
    this.nulls = 0
    this.bits = new Uint8Array(0)
    return taken
  }
}

/** For `Validity.add`: null when no row of a column is null. */
function validityOf(chunk: Chunk, column: number): ((row: number) => boolean) | null {
  const bits = chunk.validity(column)
  return bits === null ? null : (row) => isValid(bits, row)
}

class NumberColumn implements OutputColumn {
  readonly name: string
  readonly type: DataType
  readonly cast: (name: string) => string
  readonly textBytes = 0
  private readonly validity = new Validity()
  private parts: Uint8Array[] = []
  private rows = 0
  /** Bytes of a value. */
  private readonly width: number

  constructor(name: string, type: DataType, cast: (name: string) => string) {
    this.width = type instanceof Decimal ? 16 : (type.ArrayType.BYTES_PER_ELEMENT as number)
    this.name = name
    this.type = type
    this.cast = cast
  }

  add(chunk: Chunk, column: number, rows: number): void {
    const width = this.width
    // Copied: the chunk's memory is used again.
    this.parts.push(chunk.bytes(column, width).slice(0, rows * width))
    this.validity.add(this.rows, rows, validityOf(chunk, column))
    this.rows += rows
  }

  take(): Data {
    const Numbers = this.type.ArrayType as { new (length: number): Numbers; readonly BYTES_PER_ELEMENT: number }
    const data = new Numbers((this.rows * this.width) / Numbers.BYTES_PER_ELEMENT)
    const bytes = new Uint8Array(data.buffer)
    let at = 0
    for (const part of this.parts) {
      bytes.set(part, at)
      at += part.length
    }
    const taken = makeData({ type: this.type, length: this.rows, ...this.validity.take(), data } as never) as Data
    this.parts = []
    this.rows = 0
    return taken
  }
}

class BooleanColumn implements OutputColumn {
  readonly name: string
  readonly type = new Bool()
  readonly textBytes = 0
  readonly cast = (name: string): string => name
  private readonly validity = new Validity()
  private readonly values = new Validity()
  private rows = 0

  constructor(name: string) {
    this.name = name
  }

  add(chunk: Chunk, column: number, rows: number): void {
    const bytes = chunk.bytes(column, 1)
    this.validity.add(this.rows, rows, validityOf(chunk, column))
    this.values.add(this.rows, rows, (row) => bytes[row] === 1)
    this.rows += rows
  }

  take(): Data {
    const length = this.rows
    const { nullBitmap } = this.values.take()
    // No false value among them: every bit is set.
    const data = nullBitmap ?? new Uint8Array((length + 7) >> 3).fill(255)
    this.rows = 0
    return makeData({ type: this.type, length, ...this.validity.take(), data } as never) as Data
  }
}

class TextColumn implements OutputColumn {
  readonly name: string
  readonly type = new Utf8()
  textBytes = 0
  readonly cast = (name: string): string => `${name}::varchar`
  private readonly validity = new Validity()
  private texts: Buffer[] = []

  constructor(name: string) {
    this.name = name
  }

  add(chunk: Chunk, column: number, rows: number): void {
    const valid = validityOf(chunk, column)
    const texts = chunk.texts(column)
    this.validity.add(this.texts.length, rows, valid)
    for (let row = 0; row < rows; row++) {
      const text = valid === null || valid(row) ? Buffer.from(texts(row)) : Buffer.alloc(0)
      this.textBytes += text.length
      this.texts.push(text)
    }
  }

  take(): Data {
    const length = this.texts.length
    const valueOffsets = new Int32Array(length + 1)
    for (let row = 0; row < length; row++)
      valueOffsets[row + 1] = (valueOffsets[row] as number) + (this.texts[row] as Buffer).length
    const data = Buffer.concat(this.texts)
    this.texts = []
    this.textBytes = 0
    return makeData({ type: this.type, length, ...this.validity.take(), valueOffsets, data } as never) as Data
  }
}

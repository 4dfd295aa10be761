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
import { type Chunk, isValid, type Texts } from '../database/index.ts'

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
/** Bytes of the bits of a usual batch, and text it may begin with. */
const BATCH_BITS = 8_192
const TEXT_START_BYTES = 1024 * 1024

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

/** A bit per row. While all of them are set nothing is stored, which is the usual case. */
class Bits {
  private clear = 0
  private bits: Uint8Array | null = null
  private rows = 0

  /** `isSet` is null when all of the new rows are. */
  add(rows: number, isSet: ((row: number) => boolean) | null): void {
    if (isSet === null) {
      if (this.bits !== null) this.grow(rows)
    } else {
      const bits = this.grow(rows)
      for (let row = 0; row < rows; row++) {
        if (isSet(row)) continue
        const at = this.rows + row
        ;(bits[at >> 3] as number) &= ~(1 << (at & 7))
        this.clear++
      }
    }
    this.rows += rows
  }

  /** The bits, null when all are set, and how many are not. */
  take(): { clear: number; bits: Uint8Array | null } {
    const taken = { clear: this.clear, bits: this.clear === 0 ? null : this.bits }
    this.clear = 0
    this.bits = null
    this.rows = 0
    return taken
  }

  private grow(rows: number): Uint8Array {
    const bytes = (this.rows + rows + 7) >> 3
    const { bits } = this
    if (bits !== null && bits.length >= bytes) return bits
    const grown = new Uint8Array(Math.max(bytes, 2 * (bits?.length ?? 0), BATCH_BITS)).fill(255)
    if (bits !== null) grown.set(bits)
    this.bits = grown
    return grown
  }
}

function nullsOf(validity: Bits): { nullCount: number; nullBitmap: Uint8Array | null } {
  const { clear, bits } = validity.take()
  return { nullCount: clear, nullBitmap: bits }
}

/** For `Bits.add`: null when no row of a column is null. */
function validityOf(chunk: Chunk, column: number): ((row: number) => boolean) | null {
  const bits = chunk.validity(column)
  return bits === null ? null : (row) => isValid(bits, row)
}

class NumberColumn implements OutputColumn {
  readonly name: string
  readonly type: DataType
  readonly cast: (name: string) => string
  readonly textBytes = 0
  private readonly validity = new Bits()
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
    this.validity.add(rows, validityOf(chunk, column))
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
    const taken = makeData({ type: this.type, length: this.rows, ...nullsOf(this.validity), data } as never) as Data
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
  private readonly validity = new Bits()
  private readonly values = new Bits()
  private rows = 0

  constructor(name: string) {
    this.name = name
  }

  add(chunk: Chunk, column: number, rows: number): void {
    const bytes = chunk.bytes(column, 1)
    this.validity.add(rows, validityOf(chunk, column))
    this.values.add(rows, (row) => bytes[row] === 1)
    this.rows += rows
  }

  take(): Data {
    const length = this.rows
    const data = this.values.take().bits ?? new Uint8Array((length + 7) >> 3).fill(255)
    this.rows = 0
    return makeData({ type: this.type, length, ...nullsOf(this.validity), data } as never) as Data
  }
}

class TextColumn implements OutputColumn {
  readonly name: string
  readonly type = new Utf8()
  textBytes = 0
  readonly cast = (name: string): string => `${name}::varchar`
  private readonly validity = new Bits()
  private text = Buffer.allocUnsafe(TEXT_START_BYTES)
  /** Where each row's text ends. */
  private ends: number[] = []

  constructor(name: string) {
    this.name = name
  }

  add(chunk: Chunk, column: number, rows: number): void {
    const valid = validityOf(chunk, column)
    const texts = chunk.texts(column)
    this.validity.add(rows, valid)
    for (let row = 0; row < rows; row++) {
      if (valid === null || valid(row)) {
        texts.at(row)
        this.put(texts)
      }
      this.ends.push(this.textBytes)
    }
  }

  take(): Data {
    const length = this.ends.length
    const valueOffsets = new Int32Array(length + 1)
    valueOffsets.set(this.ends, 1)
    const data = Uint8Array.prototype.slice.call(this.text, 0, this.textBytes)
    this.ends = []
    this.textBytes = 0
    return makeData({ type: this.type, length, ...nullsOf(this.validity), valueOffsets, data } as never) as Data
  }

  private put({ bytes, start, end }: Texts): void {
    const length = end - start
    const after = this.textBytes + length
    if (after > this.text.length) {
      const grown = Buffer.allocUnsafe(2 * after)
      this.text.copy(grown, 0, 0, this.textBytes)
      this.text = grown
    }
    if (length > 24) this.text.set(bytes.subarray(start, end), this.textBytes)
    else for (let i = 0; i < length; i++) this.text[this.textBytes + i] = bytes[start + i] as number
    this.textBytes = after
  }
}

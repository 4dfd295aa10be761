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
/** Room for text that a batch begins with. */
const TEXT_START_BYTES = 1024 * 1024

/** Decides how a column of an SQL type leaves: simple types as themselves, times in microseconds, everything else as text. */
export function outputColumn(name: string, sql: string): OutputColumn {
  const number = NUMBERS[sql]
  if (number !== undefined) return new NumberColumn(name, number(), (column) => column)
  if (sql === 'BOOLEAN') return new BooleanColumn(name, new Bool(), (column) => column)
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
  return new TextColumn(name, new Utf8(), (column) => `${column}::varchar`)
}

/** A column on its way out: chunks are added, a batch is taken. */
export abstract class OutputColumn {
  readonly name: string
  readonly type: DataType
  /** The expression that leaves, over the quoted name of the column. */
  readonly cast: (name: string) => string
  /** Bytes of text gathered since the last batch. */
  textBytes = 0
  /** Rows since the last batch, and which of them are null. */
  protected rows = 0
  private nulls: number[] = []

  constructor(name: string, type: DataType, cast: (name: string) => string) {
    this.name = name
    this.type = type
    this.cast = cast
  }

  /** Copies the first `rows` of a chunk's column. */
  add(chunk: Chunk, column: number, rows: number): void {
    const validity = chunk.validity(column)
    for (let row = 0; validity !== null && row < rows; row++) {
      if (!isValid(validity, row)) this.nulls.push(this.rows + row)
    }
    this.gather(chunk, column, rows, validity)
    this.rows += rows
  }

  /** Everything added since the last time. */
  take(): Data {
    const { type, rows: length, nulls } = this
    const nullBitmap = nulls.length === 0 ? null : bitmap(length, nulls)
    const data = makeData({ type, length, nullCount: nulls.length, nullBitmap, ...this.release() } as never) as Data
    this.nulls = []
    this.rows = 0
    return data
  }

  /** Copies values; those of nulls are garbage. */
  protected abstract gather(chunk: Chunk, column: number, rows: number, validity: Uint8Array | null): void
  /** The values gathered, which are forgotten. */
  protected abstract release(): { readonly data: ArrayBufferView; readonly valueOffsets?: Int32Array }
}

/** A bit per row, clear for these. */
function bitmap(rows: number, clear: readonly number[]): Uint8Array {
  const bits = new Uint8Array((rows + 7) >> 3).fill(255)
  for (const row of clear) (bits[row >> 3] as number) &= ~(1 << (row & 7))
  return bits
}

class NumberColumn extends OutputColumn {
  private parts: Uint8Array[] = []
  /** Bytes of a value. */
  private readonly width = this.type instanceof Decimal ? 16 : (this.type.ArrayType.BYTES_PER_ELEMENT as number)

  protected gather(chunk: Chunk, column: number, rows: number): void {
    // Copied: the chunk's memory is used again.
    this.parts.push(chunk.bytes(column, this.width).slice(0, rows * this.width))
  }

  protected release(): { data: ArrayBufferView } {
    const Numbers = this.type.ArrayType as { new (length: number): Numbers; readonly BYTES_PER_ELEMENT: number }
    const data = new Numbers((this.rows * this.width) / Numbers.BYTES_PER_ELEMENT)
    const bytes = new Uint8Array(data.buffer)
    let at = 0
    for (const part of this.parts) {
      bytes.set(part, at)
      at += part.length
    }
    this.parts = []
    return { data }
  }
}

class BooleanColumn extends OutputColumn {
  private falses: number[] = []

  protected gather(chunk: Chunk, column: number, rows: number): void {
    const bytes = chunk.bytes(column, 1)
    for (let row = 0; row < rows; row++) if (bytes[row] !== 1) this.falses.push(this.rows + row)
  }

  protected release(): { data: Uint8Array } {
    const data = bitmap(this.rows, this.falses)
    this.falses = []
    return { data }
  }
}

class TextColumn extends OutputColumn {
  private text = Buffer.allocUnsafe(TEXT_START_BYTES)
  /** Where each row's text ends. */
  private ends: number[] = []

  protected gather(chunk: Chunk, column: number, rows: number, validity: Uint8Array | null): void {
    const texts = chunk.texts(column)
    for (let row = 0; row < rows; row++) {
      if (isValid(validity, row)) {
        texts.at(row)
        this.put(texts)
      }
      this.ends.push(this.textBytes)
    }
  }

  protected release(): { data: Uint8Array; valueOffsets: Int32Array } {
    const valueOffsets = new Int32Array(this.rows + 1)
    valueOffsets.set(this.ends, 1)
    const data = Uint8Array.prototype.slice.call(this.text, 0, this.textBytes)
    this.ends = []
    this.textBytes = 0
    return { data, valueOffsets }
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

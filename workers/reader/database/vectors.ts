import type { DuckDBDataChunk } from '@duckdb/node-api'
import bindings, { type DataChunk, type Vector } from '@duckdb/node-bindings'

/**
 * The vectors of a chunk as raw memory: the one place below the client library, which makes five objects of every column and chunk
 * and a text of every cell, and that costs as much as decoding them. Everything else goes through the library.
 */

/** Rows of a full chunk. */
export const CHUNK_ROWS = 2_048
const VALIDITY_BYTES = CHUNK_ROWS / 8

// What is read and written here relies on it.
if (bindings.vector_size() !== CHUNK_ROWS) throw new Error('the database has another size of chunk')

/** Up to 2,048 rows in the database's own memory: what is read from it must be copied before the chunk is dropped. */
export class Chunk {
  readonly rows: number
  private readonly chunk: DataChunk

  constructor({ chunk, rowCount }: DuckDBDataChunk) {
    this.chunk = chunk
    this.rows = rowCount
  }

  /** The raw elements of a column, `width` bytes each; garbage where a value is null. */
  bytes(column: number, width: number): Uint8Array {
    return bindings.vector_get_data(bindings.data_chunk_get_vector(this.chunk, column), this.rows * width)
  }

  /** A column of doubles. */
  doubles(column: number): Float64Array {
    const bytes = this.bytes(column, 8)
    return new Float64Array(bytes.buffer, bytes.byteOffset, this.rows)
  }

  /** A column of 64-bit integers. */
  bigints(column: number): BigInt64Array {
    const bytes = this.bytes(column, 8)
    return new BigInt64Array(bytes.buffer, bytes.byteOffset, this.rows)
  }

  /** A bit per row, set where the value is not null; null when none is. */
  validity(column: number): Uint8Array | null {
    const bytes = Math.ceil(this.rows / 64) * 8
    return bindings.vector_get_validity(bindings.data_chunk_get_vector(this.chunk, column), bytes) ?? null
  }

  /** A column of texts. */
  texts(column: number): Texts {
    return new Texts(this.bytes(column, 16))
  }
}

/**
 * A cursor over the texts of a column. After `at(row)` the row's UTF-8 is `bytes[start .. end)`, in the database's memory. A cursor,
 * because a view per text would cost more than the text. Not to be asked for a null.
 */
export class Texts {
  bytes: Uint8Array
  start = 0
  end = 0
  private readonly elements: Uint8Array
  private readonly view: DataView

  constructor(elements: Uint8Array) {
    this.elements = this.bytes = elements
    this.view = new DataView(elements.buffer, elements.byteOffset, elements.byteLength)
  }

  at(row: number): void {
    const length = this.view.getUint32(row * 16, true)
    // Up to twelve bytes lie in the element itself, longer texts behind a pointer.
    if (length <= 12) {
      this.bytes = this.elements
      this.start = row * 16 + 4
    } else {
      const pointer = this.elements.byteOffset + row * 16 + 8
      this.bytes = bindings.get_data_from_pointer(this.elements.buffer as ArrayBuffer, pointer, length)
      this.start = 0
    }
    this.end = this.start + length
  }
}

export function isValid(validity: Uint8Array | null, row: number): boolean {
  return validity === null || (((validity[row >> 3] as number) >> (row & 7)) & 1) === 1
}

/** A chunk to be filled. The number of rows is set first. */
export class ChunkTarget {
  private readonly chunk: DataChunk
  private count = 0

  constructor({ chunk }: DuckDBDataChunk) {
    this.chunk = chunk
  }

  get rows(): number {
    return this.count
  }

  set rows(count: number) {
    this.count = count
    bindings.data_chunk_set_size(this.chunk, count)
  }

  /** Copies elements of the column's own width; `valid` tells for each row whether it is not null. */
  write(column: number, values: ArrayBufferView<ArrayBuffer>, valid: ((row: number) => boolean) | null = null): void {
    const vector = bindings.data_chunk_get_vector(this.chunk, column)
    bindings.copy_data_to_vector(vector, 0, values.buffer, values.byteOffset, values.byteLength)
    if (valid !== null) this.writeValidity(vector, valid)
  }

  /** Writes texts; null is null. */
  writeTexts(column: number, text: (row: number) => string | null): void {
    const vector = bindings.data_chunk_get_vector(this.chunk, column)
    const missing = new Set<number>()
    for (let row = 0; row < this.count; row++) {
      const value = text(row)
      if (value === null) missing.add(row)
      else bindings.vector_assign_string_element_len(vector, row, Buffer.from(value))
    }
    if (missing.size > 0) this.writeValidity(vector, (row) => !missing.has(row))
  }

  private writeValidity(vector: Vector, valid: (row: number) => boolean): void {
    const bits = new Uint8Array(VALIDITY_BYTES).fill(255)
    for (let row = 0; row < this.count; row++) {
      if (!valid(row)) (bits[row >> 3] as number) &= ~(1 << (row & 7))
    }
    bindings.vector_ensure_validity_writable(vector)
    bindings.copy_data_to_vector_validity(vector, 0, bits.buffer, 0, VALIDITY_BYTES)
  }
}

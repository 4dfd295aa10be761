import duckdb from '@duckdb/node-bindings'

/**
 * The only importer of the database, behind what this process needs of it. It is the binding below the client library: loading
 * the library's 230 files takes three times as long as starting Node, and it builds five objects per column and chunk, which
 * costs as much as decoding the column.
 */

/** Values that can be bound; a list is a list of texts. */
export type Bindable = string | number | bigint | readonly (string | null)[]
export type Values = Readonly<Record<string, Bindable>>
/** Cells of small results. 64-bit integers come as numbers: use them for counts alone. */
export type Cell = string | number | boolean | null

export const TYPE = duckdb.Type
/** Rows of a full chunk. */
export const CHUNK_ROWS = 2_048
const VALIDITY_BYTES = CHUNK_ROWS / 8

/** A connection to a database of its own, in memory. */
export class Connection {
  private readonly connection: duckdb.Connection
  /** Kept, because the database lives as long as this. */
  readonly database: duckdb.Database

  private constructor(database: duckdb.Database, connection: duckdb.Connection) {
    this.database = database
    this.connection = connection
  }

  static async open(settings: Readonly<Record<string, string>>): Promise<Connection> {
    const config = duckdb.create_config()
    for (const [name, value] of Object.entries(settings)) duckdb.set_config(config, name, value)
    const database = await duckdb.open(':memory:', config)
    return new Connection(database, await duckdb.connect(database))
  }

  /** Rows read so far by the statement that is running. */
  get rowsRead(): bigint {
    return duckdb.query_progress(this.connection).rows_processed
  }

  /** Runs one statement to its end and gives the number of rows it changed. Every error is reported. */
  async run(sql: string, values: Values = {}): Promise<number> {
    return duckdb.rows_changed(await this.execute(sql, values, duckdb.execute_prepared))
  }

  /** Runs one statement with a small result; every error is reported. Cells are read by index. */
  async rows(sql: string, values: Values = {}): Promise<Cell[][]> {
    const result = new Result(await this.execute(sql, values, duckdb.execute_prepared))
    const rows: Cell[][] = []
    for (;;) {
      const chunk = await result.next()
      if (chunk === null) return rows
      const columns = result.types.map((type, column) => chunk.cells(column, type))
      for (let row = 0; row < chunk.rows; row++) rows.push(columns.map((cells) => cells[row] as Cell))
    }
  }

  /**
   * Starts a statement whose result is fetched chunk by chunk. An error after the first chunk just ends the result: the
   * statement must prove its end. Nothing else may run on the connection meanwhile.
   */
  async stream(sql: string, values: Values = {}): Promise<Result> {
    return new Result(await this.execute(sql, values, duckdb.execute_prepared_streaming))
  }

  registerTableFunction(name: string, table: TableFunction): void {
    const definition = duckdb.create_table_function()
    duckdb.table_function_set_name(definition, name)
    duckdb.table_function_supports_projection_pushdown(definition, true)
    duckdb.table_function_set_bind(definition, (info) => {
      for (const { name, type } of table.columns()) {
        duckdb.bind_add_result_column(info, name, duckdb.create_logical_type(type))
      }
    })
    duckdb.table_function_set_init(definition, (info) => {
      // Rows come in order from one reader.
      duckdb.init_set_max_threads(info, 1)
      const count = duckdb.init_get_column_count(info)
      const wanted = Array.from({ length: count }, (_, column) => duckdb.init_get_column_index(info, column))
      duckdb.init_set_init_data(info, { next: table.start(wanted) })
    })
    duckdb.table_function_set_function(definition, (info, chunk) => {
      const { next } = duckdb.function_get_init_data(info) as { next: (target: ChunkTarget) => boolean }
      if (!next(new ChunkTarget(chunk))) duckdb.function_set_error(info, 'deepwatch:feed')
    })
    duckdb.register_table_function(this.connection, definition)
  }

  /** Registers a function from a BIGINT, never null, to a DOUBLE; `map` gives false for a failure. */
  registerFunction(name: string, map: (inputs: BigInt64Array, outputs: Float64Array) => boolean): void {
    const definition = duckdb.create_scalar_function()
    duckdb.scalar_function_set_name(definition, name)
    duckdb.scalar_function_add_parameter(definition, duckdb.create_logical_type(TYPE.BIGINT))
    duckdb.scalar_function_set_return_type(definition, duckdb.create_logical_type(TYPE.DOUBLE))
    // Computed once per row where it stands, never moved or repeated.
    duckdb.scalar_function_set_volatile(definition)
    const outputs = new Float64Array(CHUNK_ROWS)
    duckdb.scalar_function_set_function(definition, (info, input, output) => {
      const chunk = new Chunk(input, duckdb.data_chunk_get_size(input))
      const bytes = chunk.bytes(0, 8)
      const inputs = new BigInt64Array(bytes.buffer, bytes.byteOffset, chunk.rows)
      if (!map(inputs, outputs)) duckdb.scalar_function_set_error(info, 'deepwatch:function')
      else duckdb.copy_data_to_vector(output, 0, outputs.buffer, 0, chunk.rows * 8)
    })
    duckdb.register_scalar_function(this.connection, definition)
  }

  private async execute(
    sql: string,
    values: Values,
    run: (prepared: duckdb.PreparedStatement) => Promise<duckdb.Result>,
  ): Promise<duckdb.Result> {
    const prepared = await duckdb.prepare(this.connection, sql)
    try {
      const count = duckdb.nparams(prepared)
      for (let index = 1; index <= count; index++) {
        const value = values[duckdb.parameter_name(prepared, index)]
        if (value === undefined) throw new Error(`parameter ${index} has no value`)
        duckdb.bind_value(prepared, index, bindable(value))
      }
      return await run(prepared)
    } finally {
      duckdb.destroy_prepare_sync(prepared)
    }
  }
}

/** A table of our own making, for statements to read. */
export interface TableFunction {
  columns(): readonly { readonly name: string; readonly type: duckdb.Type }[]
  /** Starts a walk over these columns; each call of the result fills one chunk, whose 0 rows are the end, or gives false for a failure. */
  start(wanted: readonly number[]): (target: ChunkTarget) => boolean
}

/** The result of a statement, in order. */
export class Result {
  readonly types: readonly duckdb.Type[]
  private readonly result: duckdb.Result

  constructor(result: duckdb.Result) {
    this.result = result
    const count = duckdb.column_count(result)
    this.types = Array.from({ length: count }, (_, column) => duckdb.column_type(result, column))
  }

  /** The next chunk; null after the last one. */
  async next(): Promise<Chunk | null> {
    const chunk = await duckdb.fetch_chunk(this.result)
    const rows = chunk === null ? 0 : duckdb.data_chunk_get_size(chunk)
    return chunk === null || rows === 0 ? null : new Chunk(chunk, rows)
  }
}

/** Up to 2,048 rows in the database's own memory: what is read from it must be copied before the chunk is dropped. */
export class Chunk {
  readonly rows: number
  private readonly chunk: duckdb.DataChunk

  constructor(chunk: duckdb.DataChunk, rows: number) {
    this.chunk = chunk
    this.rows = rows
  }

  /** The raw elements of a column, `width` bytes each; garbage where a value is null. */
  bytes(column: number, width: number): Uint8Array {
    return duckdb.vector_get_data(duckdb.data_chunk_get_vector(this.chunk, column), this.rows * width)
  }

  /** A column of doubles. */
  doubles(column: number): Float64Array {
    const bytes = this.bytes(column, 8)
    return new Float64Array(bytes.buffer, bytes.byteOffset, this.rows)
  }

  /** A bit per row, set where the value is not null; null when none is. */
  validity(column: number): Uint8Array | null {
    const bytes = Math.ceil(this.rows / 64) * 8
    return duckdb.vector_get_validity(duckdb.data_chunk_get_vector(this.chunk, column), bytes) ?? null
  }

  /** A column of texts. */
  texts(column: number): Texts {
    return new Texts(this.bytes(column, 16))
  }

  /** A column as plain values. */
  cells(column: number, type: duckdb.Type): Cell[] {
    const validity = this.validity(column)
    const read = this.reader(column, type)
    return Array.from({ length: this.rows }, (_, row) => (isValid(validity, row) ? read(row) : null))
  }

  private reader(column: number, type: duckdb.Type): (row: number) => Cell {
    if (type === TYPE.VARCHAR) {
      const texts = this.texts(column)
      return (row) => {
        texts.at(row)
        return Buffer.from(texts.bytes.subarray(texts.start, texts.end)).toString('utf8')
      }
    }
    const width = type === TYPE.BOOLEAN ? 1 : type === TYPE.INTEGER ? 4 : 8
    const bytes = this.bytes(column, width)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    if (type === TYPE.BOOLEAN) return (row) => view.getUint8(row) !== 0
    if (type === TYPE.INTEGER) return (row) => view.getInt32(row * 4, true)
    if (type === TYPE.BIGINT) return (row) => Number(view.getBigInt64(row * 8, true))
    if (type === TYPE.DOUBLE) return (row) => view.getFloat64(row * 8, true)
    throw new Error(`a result column is of type ${type}`)
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
      this.bytes = duckdb.get_data_from_pointer(this.elements.buffer as ArrayBuffer, pointer, length)
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
  private readonly chunk: duckdb.DataChunk
  private count = 0

  constructor(chunk: duckdb.DataChunk) {
    this.chunk = chunk
  }

  get rows(): number {
    return this.count
  }

  set rows(count: number) {
    this.count = count
    duckdb.data_chunk_set_size(this.chunk, count)
  }

  /** Copies elements of the column's own width; `valid` tells for each row whether it is not null. */
  write(column: number, values: ArrayBufferView<ArrayBuffer>, valid: ((row: number) => boolean) | null = null): void {
    const vector = duckdb.data_chunk_get_vector(this.chunk, column)
    duckdb.copy_data_to_vector(vector, 0, values.buffer, values.byteOffset, values.byteLength)
    if (valid !== null) this.writeValidity(vector, valid)
  }

  /** Writes texts; null is null. */
  writeTexts(column: number, text: (row: number) => string | null): void {
    const vector = duckdb.data_chunk_get_vector(this.chunk, column)
    const missing = new Set<number>()
    for (let row = 0; row < this.count; row++) {
      const value = text(row)
      if (value === null) missing.add(row)
      else duckdb.vector_assign_string_element_len(vector, row, Buffer.from(value))
    }
    if (missing.size > 0) this.writeValidity(vector, (row) => !missing.has(row))
  }

  private writeValidity(vector: duckdb.Vector, valid: (row: number) => boolean): void {
    const bits = new Uint8Array(VALIDITY_BYTES).fill(255)
    for (let row = 0; row < this.count; row++) {
      if (!valid(row)) (bits[row >> 3] as number) &= ~(1 << (row & 7))
    }
    duckdb.vector_ensure_validity_writable(vector)
    duckdb.copy_data_to_vector_validity(vector, 0, bits.buffer, 0, VALIDITY_BYTES)
  }
}

function bindable(value: Bindable): duckdb.Value {
  if (typeof value === 'string') return duckdb.create_varchar(value)
  if (typeof value === 'number') return duckdb.create_double(value)
  if (typeof value === 'bigint') return duckdb.create_int64(value)
  const items = value.map((item) => (item === null ? duckdb.create_null_value() : duckdb.create_varchar(item)))
  return duckdb.create_list_value(duckdb.create_logical_type(TYPE.VARCHAR), items)
}

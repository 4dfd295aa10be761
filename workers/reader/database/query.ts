import {
  DOUBLE,
  type DuckDBConnection,
  type DuckDBPreparedStatement,
  type DuckDBResult,
  LIST,
  VARCHAR,
} from '@duckdb/node-api'
import { collectOften } from './collect.ts'
import { Chunk } from './vectors.ts'

/** Values that can be bound; a list is a list of texts. */
export type Bindable = string | number | bigint | readonly (string | null)[]
export type Values = Readonly<Record<string, Bindable>>
/** Cells of small results. 64-bit integers come as numbers: use them for counts alone. */
export type Cell = string | number | boolean | null

/** Runs one statement to its end and gives the number of rows it changed. Every error is reported. */
export async function runStatement(connection: DuckDBConnection, sql: string, values: Values = {}): Promise<number> {
  const { rowsChanged } = await execute(connection, sql, values, (prepared) => prepared.run())
  return rowsChanged
}

/** Runs one statement with a small result; every error is reported. Cells are read by index. */
export async function rowsOf(connection: DuckDBConnection, sql: string, values: Values = {}): Promise<Cell[][]> {
  const result = await execute(connection, sql, values, (prepared) => prepared.run())
  const rows = await result.getRows()
  return rows.map((row) => row.map((cell) => (typeof cell === 'bigint' ? Number(cell) : (cell as Cell))))
}

/**
 * Starts a statement whose result is fetched chunk by chunk. An error after the first chunk just ends the result: the
 * statement must prove its end. Nothing else may run on the connection meanwhile.
 */
export function streamStatement(connection: DuckDBConnection, sql: string, values: Values): Promise<DuckDBResult> {
  return execute(connection, sql, values, (prepared) => prepared.stream())
}

/** Throws unless these columns of a result are doubles. */
export function requireDoubles(result: DuckDBResult, columns: readonly number[]): void {
  for (const column of columns) {
    if (result.columnTypeId(column) !== DOUBLE.typeId) throw new Error('a result column is not of doubles')
  }
}

/** The chunks of a result, valid until the next one is asked for. That is decoded meanwhile, on the database's threads. */
export async function* chunksOf(result: DuckDBResult): AsyncGenerator<Chunk, void> {
  const collect = collectOften()
  let ahead = nextChunk(result)
  try {
    for (let chunk = await ahead; chunk !== null; chunk = await ahead) {
      ahead = nextChunk(result)
      yield chunk
      collect()
    }
  } finally {
    // Nothing else may run on the connection while a chunk is fetched.
    await ahead.catch(() => null)
  }
}

async function nextChunk(result: DuckDBResult): Promise<Chunk | null> {
  const next = await result.fetchChunk()
  const chunk = next === null ? null : new Chunk(next)
  return chunk?.rows === 0 ? null : chunk
}

async function execute<Result>(
  connection: DuckDBConnection,
  sql: string,
  values: Values,
  run: (prepared: DuckDBPreparedStatement) => Promise<Result>,
): Promise<Result> {
  const prepared = await connection.prepare(sql)
  try {
    // A statement names some of the values that its source needs.
    for (let index = 1; index <= prepared.parameterCount; index++) {
      bind(prepared, index, values[prepared.parameterName(index)])
    }
    return await run(prepared)
  } finally {
    prepared.destroySync()
  }
}

/** Binds a value by its own type: the library would take a whole number for an INTEGER and a bigint for a HUGEINT. */
function bind(prepared: DuckDBPreparedStatement, index: number, value: Bindable | undefined): void {
  if (value === undefined) throw new Error(`parameter ${index} has no value`)
  if (typeof value === 'string') prepared.bindVarchar(index, value)
  else if (typeof value === 'number') prepared.bindDouble(index, value)
  else if (typeof value === 'bigint') prepared.bindBigInt(index, value)
  else prepared.bindList(index, value, LIST(VARCHAR))
}

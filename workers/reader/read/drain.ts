import {
  type Chunk,
  collectOften,
  columnError,
  type Database,
  nextChunk,
  requireDoubles,
  rowsOf,
  show,
  streamStatement,
} from '../database/index.ts'
import type { FeaturePlan } from './plan.ts'

/**
 * Hands the rows of a planned stream to `take`, a chunk at a time: its first `rows` rows. A stream that did not reach its end is an
 * error: the database ends it silently, so the end is proven by a last row or by the number of rows.
 */
export async function drainRows(
  database: Database,
  plan: FeaturePlan,
  take: (chunk: Chunk, rows: number) => void,
): Promise<void> {
  if (!(await drain(database, plan, take))) await explain(database, plan)
}

/**
 * Reads the stream to its end; whether the end was proven. The next chunk is decoded, on the database's threads, while this
 * one is put into blocks.
 */
async function drain(
  database: Database,
  plan: FeaturePlan,
  take: (chunk: Chunk, rows: number) => void,
): Promise<boolean> {
  const result = await streamStatement(database.connection, plan.sql, plan.values)
  requireDoubles(result, plan.doubles)
  let proven = false
  let total = 0
  const collect = collectOften()
  let ahead = nextChunk(result)
  try {
    for (;;) {
      const chunk = await ahead
      if (chunk === null) break
      const { rows } = chunk
      ahead = nextChunk(result)
      if (proven) return false
      if (plan.proof !== null) proven = chunk.bytes(plan.proof, 1)[rows - 1] === 1
      const own = proven ? rows - 1 : rows
      take(chunk, own)
      total += own
      collect()
    }
  } finally {
    // Nothing else may run on the connection while a chunk is fetched.
    await ahead.catch(() => null)
  }
  return plan.proof === null ? total === plan.expected : proven
}

/** Finds out why a stream broke off, by a statement that must report it. Always throws. */
async function explain({ connection, feed }: Database, plan: FeaturePlan): Promise<never> {
  if (feed.failure === null) await rowsOf(connection, plan.checkSql, plan.values)
  throw new Error('the stream ended early')
}

/** Throws `type_mismatch` for a label that is neither 0, 1 nor NaN. `first`: the row in the stream of the value at `at`. */
export function checkLabels(values: Float64Array, at: number, rows: number, name: string, first: number): void {
  for (let row = 0; row < rows; row++) {
    const value = values[at + row] as number
    if (value === 0 || value === 1 || Number.isNaN(value)) continue
    const detail = `The label column ${show(name)} has a value that is not true, false, 0, 1 or null.`
    throw columnError('type_mismatch', name, detail, { firstRows: [first + row] })
  }
}

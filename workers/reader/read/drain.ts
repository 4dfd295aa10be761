import {
  type Chunk,
  chunksOf,
  columnError,
  type Database,
  requireDoubles,
  rowsOf,
  show,
  streamStatement,
  type Values,
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
  const result = await streamStatement(database.connection, plan.sql, plan.values)
  requireDoubles(result, plan.doubles)
  let proven = false
  let total = 0
  for await (const chunk of chunksOf(result)) {
    if (proven) {
      proven = false
      break
    }
    if (plan.proof !== null) proven = chunk.bytes(plan.proof, 1)[chunk.rows - 1] === 1
    const rows = chunk.rows - Number(proven)
    take(chunk, rows)
    total += rows
  }
  const isWhole = plan.proof === null ? total === plan.expected : proven
  if (!isWhole) await explainBreak(database, plan.checkSql, plan.values)
}

/** Finds out why a stream broke off, by a statement that must report it; our own functions have said so already. Always throws. */
export async function explainBreak(
  { connection, feed, scores, times }: Database,
  checkSql: string,
  values: Values,
): Promise<never> {
  const told = feed.failure ?? scores.failure ?? times.failure
  if (told === null) await rowsOf(connection, checkSql, values)
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

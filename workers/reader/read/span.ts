import { DeepWatchError } from '../../../src/errors.ts'
import { fleetBounds } from '../../../src/kernels/scores/index.ts'
import {
  type EntitiesQuery,
  type EntityRows,
  intervalRows,
  type Span,
  type SpanQuery,
} from '../../../src/reader/index.ts'
import {
  columnError,
  columnOf,
  type Database,
  type Relation,
  type RelationColumn,
  rowsOf,
  statement,
} from '../database/index.ts'
import { entityText, microseconds, windowed } from './plan.ts'

/** Counts the rows of a source and of a window in it, and finds its first and last time. */
export async function spanOf(database: Database, relation: Relation, query: SpanQuery): Promise<Span> {
  const time = query.timestamp === undefined ? null : columnOf(relation, query.timestamp)
  if (time === null && query.window === undefined && relation.rows !== null) {
    return { rows: relation.rows, rowsInWindow: relation.rows, from: null, to: null }
  }
  // With a window the time is looked at where that is.
  if (time !== null && query.window === undefined && time.kind !== 'timestamp') {
    throw columnError('type_mismatch', time.name, 'The timestamp column is not a timestamp.')
  }
  const isOfAll = time !== null && query.window === undefined
  const { sql, values } = isOfAll
    ? { sql: statement('span-all', { time: time.expression, relation: relation.from }), values: relation.values }
    : windowed('span', relation, query, (needed) => ({
        micros: time === null ? `'nan'::double` : microseconds(needed, time),
      }))
  const [row] = await rowsOf(database.connection, sql, values)
  const [rows, rowsInWindow, from, to] = row ?? []
  for (const bound of [from, to]) {
    if (typeof bound === 'number' && Math.abs(bound) > Number.MAX_SAFE_INTEGER) {
      throw new DeepWatchError('timestamp_out_of_range', 'A timestamp lies outside the range that can be used.')
    }
  }
  return {
    rows: Number(rows),
    rowsInWindow: Number(rowsInWindow),
    from: typeof from === 'number' ? from : null,
    to: typeof to === 'number' ? to : null,
    ...(time !== null && query.interval && (await intervalOf(database, relation, time, query))),
  }
}

async function intervalOf(
  database: Database,
  relation: Relation,
  time: RelationColumn,
  query: SpanQuery,
): Promise<Required<Pick<Span, 'interval' | 'tied'>>> {
  const name = query.interval?.entity ?? null
  const { sql, values } = windowed('interval', relation, query, (needed) => ({
    micros: microseconds(needed, time),
    entity: name === null ? 'null' : entityText(needed, relation, name),
    max: String(intervalRows),
  }))
  const [row] = await rowsOf(database.connection, sql, values)
  const [interval, tied] = (row ?? []).map((value) => (typeof value === 'number' ? value : null))
  return { interval: interval ?? null, tied: tied ?? null }
}

/** The entities of a source and their rows, in no order; at most `max` of them. */
export async function entitiesOf(database: Database, relation: Relation, query: EntitiesQuery): Promise<EntityRows[]> {
  const { sql, values } = windowed('entities', relation, query, (needed) => ({
    entity: entityText(needed, relation, query.entity),
    bytes: String(fleetBounds.nameBytes),
    max: String(query.max),
  }))
  const rows = await rowsOf(database.connection, sql, values)
  return rows.map(([name, count]) => ({ name: String(name), rows: Number(count) }))
}

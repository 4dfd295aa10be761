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
import { microseconds, microsecondsOf, Needed, windowOf } from './plan.ts'

/** Counts the rows of a source and of a window in it, and finds its first and last time. */
export async function spanOf(database: Database, relation: Relation, query: SpanQuery): Promise<Span> {
  const time = query.timestamp === undefined ? null : columnOf(relation, query.timestamp)
  if (time === null && query.window === undefined && relation.rows !== null) {
    return { rows: relation.rows, rowsInWindow: relation.rows, from: null, to: null }
  }
  const needed = new Needed()
  const window = windowOf(needed, relation, query)
  if (time !== null && time.kind !== 'timestamp') {
    throw columnError('type_mismatch', time.name, 'The timestamp column is not a timestamp.')
  }
  const { from: source } = relation
  let sql: string
  if (time !== null && query.window === undefined) {
    const name = needed.add(time.expression)
    const bounds = { time: name, first: microsecondsOf('lo'), last: microsecondsOf('hi') }
    sql = statement('span-all', { ...bounds, columns: needed.list, relation: source })
  } else {
    const micros = time === null ? `'nan'::double` : microseconds(needed, time)
    sql = statement('span', { micros, columns: needed.list, relation: source, window: window.condition })
  }
  const [row] = await rowsOf(database.connection, sql, { ...relation.values, ...window.values })
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
  const needed = new Needed()
  const window = windowOf(needed, relation, query)
  const micros = microseconds(needed, time)
  const name = query.interval?.entity ?? null
  const entity = name === null ? 'null' : `${needed.add(columnOf(relation, name).expression)}::varchar`
  const slots = { micros, entity, columns: needed.list, relation: relation.from, window: window.condition }
  const sql = statement('interval', { ...slots, max: String(intervalRows) })
  const [row] = await rowsOf(database.connection, sql, { ...relation.values, ...window.values })
  const [interval, tied] = (row ?? []).map((value) => (typeof value === 'number' ? value : null))
  return { interval: interval ?? null, tied: tied ?? null }
}

/** The entities of a source and their rows, in no order; at most `max` of them. */
export async function entitiesOf(database: Database, relation: Relation, query: EntitiesQuery): Promise<EntityRows[]> {
  const needed = new Needed()
  const window = windowOf(needed, relation, query)
  const entity = `${needed.add(columnOf(relation, query.entity).expression)}::varchar`
  const slots = { entity, columns: needed.list, relation: relation.from, window: window.condition }
  const bounds = { bytes: String(fleetBounds.nameBytes), max: String(query.max) }
  const sql = statement('entities', { ...slots, ...bounds })
  const rows = await rowsOf(database.connection, sql, { ...relation.values, ...window.values })
  return rows.map(([name, count]) => ({ name: String(name), rows: Number(count) }))
}

import { fleetBounds } from '../../../src/kernels/scores/index.ts'
import type { EntityRows, ReadWindow } from '../../../src/reader/index.ts'
import { columnOf, type Database, type Relation, rowsOf, statement } from '../database/index.ts'
import { Needed, windowCondition } from './plan.ts'

/** The entities of a source and their rows, in no order; at most `max` of them. */
export async function entitiesOf(
  database: Database,
  relation: Relation,
  query: { entity: string; timestamp: string | null; window: ReadWindow | null; max: number },
): Promise<EntityRows[]> {
  const time = query.timestamp === null ? null : columnOf(relation, query.timestamp)
  const needed = new Needed()
  const window = windowCondition(needed, query.window, time)
  const entity = `${needed.add(columnOf(relation, query.entity).expression)}::varchar`
  const slots = { entity, columns: needed.list, relation: relation.from, window: window.condition }
  const bounds = { bytes: String(fleetBounds.nameBytes), max: String(query.max) }
  const sql = statement('entities', { ...slots, ...bounds })
  const rows = await rowsOf(database.connection, sql, { ...relation.values, ...window.values })
  return rows.map(([name, count]) => ({ name: String(name), rows: Number(count) }))
}

import { type GrowingQuery, growingRows, onlyGrows } from '../../../src/reader/index.ts'
import { columnOf, type Database, type Relation, rowsOf } from '../database/index.ts'
import { entityText, microseconds, windowed } from './plan.ts'

/** Those of the columns that only grow from row to row of an entity. */
export async function growingOf(database: Database, relation: Relation, query: GrowingQuery): Promise<string[]> {
  const { columns, entity, timestamp } = query
  if (columns.length === 0) return []
  const each = (of: (index: number) => string) => columns.map((_, index) => of(index)).join(', ')
  const { sql, values } = windowed('growing', relation, query, (needed) => ({
    counts: each((i) => `count(*) filter (where s${i} > 0)::double, count(*) filter (where s${i} < 0)::double`),
    steps: each((i) => `v${i} - lag(v${i}) over w as s${i}`),
    values: each((i) => `${needed.add(columnOf(relation, columns[i] as string).expression)}::double as v${i}`),
    micros: timestamp === undefined ? '0::double' : microseconds(needed, columnOf(relation, timestamp)),
    entity: entity === null ? 'null' : entityText(needed, relation, entity),
    max: String(growingRows),
  }))
  const [row = []] = await rowsOf(database.connection, sql, values)
  return columns.filter((_, index) => onlyGrows(Number(row[2 * index]), Number(row[2 * index + 1])))
}

import type { ScoredQuery } from '../../../src/reader/index.ts'
import {
  COUNTED_POSITION,
  columnOf,
  foldCase,
  quoteName,
  type Relation,
  type RelationColumn,
  statement,
  type Values,
} from '../database/index.ts'
import { Needed, windowCondition } from '../read/index.ts'

/** Our own output; replaced when it is written again. */
const OWN = new Set(['anomaly_score', 'is_anomaly'])

/** A statement for the source with its scores, and the names of its columns. */
export interface ScoredStatement {
  readonly sql: string
  readonly values: Values
  readonly columns: readonly RelationColumn[]
}

/**
 * Plans the source with its scores; see `sql/scored.sql`. Throws `unknown_column`, `missing_timestamp`, `type_mismatch`.
 * @param threads of the statement; several only where the whole source is read and knows the positions of its rows. One counts them,
 *   which is a tenth faster than asking
 */
export function planScored(relation: Relation, query: ScoredQuery, threads: number): ScoredStatement {
  const needed = new Needed()
  const columns = relation.columns.filter((column) => !OWN.has(foldCase(column.name)))
  const named = columns.map((column) => `r.${needed.add(column.expression)} as ${quoteName(column.name)}`)
  const time = query.timestamp === undefined ? null : columnOf(relation, query.timestamp)
  const window = windowCondition(needed, query.window, time)
  const sql = statement('scored', {
    columns: named.length === 0 ? '' : `${named.join(', ')},`,
    position: threads > 1 ? needed.add(relation.position) : COUNTED_POSITION,
    source: needed.list,
    relation: relation.from,
    window: window.condition,
    kept: query.anomaliesOnly ? 'not isnan(r.score) and r.score > $threshold' : 'true',
  })
  return { sql, values: { ...relation.values, ...window.values, threshold: query.threshold }, columns }
}

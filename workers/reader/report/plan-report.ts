import type { AggregateQuery } from '../../../src/reader/index.ts'
import { columnOf, type Relation, statement, type Values } from '../database/index.ts'
import { Needed, windowCondition } from '../read/index.ts'

/** A statement and what is bound to it. */
export interface Planned {
  readonly sql: string
  readonly values: Values
}

/** Characters of an entity that count; entities that differ further on are told as one. */
export const entityLength = 200

type EntityQuery = AggregateQuery & { readonly entity: string }

/** Plans `sql/report-flagged.sql`. Throws `unknown_column`, `missing_timestamp`, `type_mismatch`. */
export function planFlagged(relation: Relation, query: EntityQuery): Planned {
  const bound = { threshold: query.threshold, entities: query.topEntities }
  return finish('report-flagged', bound, relation, query)
}

/** Plans `sql/report-entities.sql` for these entities. Throws as `planFlagged` does. */
export function planEntities(relation: Relation, query: EntityQuery, names: readonly string[], max: number): Planned {
  return finish('report-entities', { threshold: query.threshold, names, max }, relation, query)
}

function finish(
  name: 'report-flagged' | 'report-entities',
  bound: Values,
  relation: Relation,
  query: EntityQuery,
): Planned {
  const needed = new Needed()
  const time = query.timestamp === undefined ? null : columnOf(relation, query.timestamp)
  const entity = `left(${needed.add(columnOf(relation, query.entity).expression)}::varchar, ${entityLength})`
  const window = windowCondition(needed, query.window, time)
  return {
    sql: statement(name, { entity, source: needed.list, relation: relation.from, window: window.condition }),
    values: { ...relation.values, ...window.values, ...bound },
  }
}

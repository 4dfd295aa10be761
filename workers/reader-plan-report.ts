import { DeepWatchError } from '../src/errors.ts'
import type { AggregateQuery } from '../src/reader-types.ts'
import type { Values } from './reader-duckdb.ts'
import { microseconds, Needed, windowCondition } from './reader-plan.ts'
import { columnOf, type Relation, type RelationColumn, show } from './reader-relation.ts'
import { statement } from './reader-statements.ts'

/** A statement and what is bound to it. */
export interface Planned {
  readonly sql: string
  readonly values: Values
}

/** Characters of an entity that count; entities that differ further on are told as one. */
const entityLength = 200

/** Plans `sql/report-groups.sql`. Throws `unknown_column`, `missing_timestamp`, `type_mismatch`. */
export function planGroups(relation: Relation, query: AggregateQuery): Planned {
  const needed = new Needed()
  const time = timeOf(relation, query)
  const bound: Record<string, number> = { threshold: query.threshold }
  const stretch = stretchOf(placeOf(needed, time), query, bound)
  const label =
    query.label === undefined
      ? '2'
      : `case ${labelOf(needed, relation, query.label)} when 1 then 1 when 0 then 0 when 'nan' then 2 else 3 end`
  return finish('report-groups', { stretch, label }, bound, { relation, query, needed, time })
}

/** Plans `sql/report-values.sql`. Rows with a score below `least` are passed over. Throws as `planGroups` does. */
export function planValues(relation: Relation, query: AggregateQuery, least: number): Planned {
  const needed = new Needed()
  const time = timeOf(relation, query)
  const bound: Record<string, number> = {
    threshold: query.threshold,
    least,
    rows: query.topRows,
    entities: query.topEntities,
    bins: query.bins,
  }
  const place = placeOf(needed, time)
  const stretch = stretchOf(place, query, bound)
  const hour = time === null ? 'null::integer' : hourOf(place, query, bound)
  const numbers = query.features.map(({ name }) => {
    const column = requireKind(columnOf(relation, name), ['number', 'boolean'], 'numeric or boolean')
    return `${needed.add(column.expression)}::double`
  })
  const edges = (pick: (feature: AggregateQuery['features'][number]) => number) =>
    query.features.map((feature) => String(pick(feature)))
  const lists = {
    low: edges((feature) => feature.low),
    high: edges((feature) => feature.high),
    usualLow: edges((feature) => feature.usualLow),
    usualHigh: edges((feature) => feature.usualHigh),
  }
  const entity = query.entity === undefined ? 'null::varchar' : entityOf(needed, relation, query.entity)
  const row = [
    // Only in a window is a row's place in the source another one than its place in the stream.
    `row: ${query.window === undefined ? 'position' : needed.add(relation.position)}::double`,
    'score: score',
    `time: ${time === null ? 'null' : nullIfNaN(place)}`,
    `entity: ${entity}`,
    `label: ${query.label === undefined ? 'null' : nullIfNaN(labelOf(needed, relation, query.label))}`,
    `"values": [${numbers.map((number) => `${number}::varchar`).join(', ')}]::varchar[]`,
  ]
  const bins = numbers.map((number, index) => `histogram(${binOf(number, index + 1)})`)
  const slots = { bins: bins.join(', '), stretch, hour, row: `{${row.join(', ')}}`, entity }
  const used = bins.length === 0 ? omit(bound, 'bins') : { ...bound, ...lists }
  return finish('report-values', slots, used, { relation, query, needed, time })
}

/** Plans `sql/report-entities.sql` for these entities. */
export function planEntities(
  relation: Relation,
  query: AggregateQuery & { readonly entity: string },
  names: readonly string[],
  most: number,
): Planned {
  const needed = new Needed()
  const time = query.timestamp === undefined ? null : columnOf(relation, query.timestamp)
  const entity = entityOf(needed, relation, query.entity)
  const bound = { threshold: query.threshold, names, most }
  return finish('report-entities', { entity }, bound, { relation, query, needed, time })
}

interface Scene {
  readonly relation: Relation
  readonly query: AggregateQuery
  readonly needed: Needed
  readonly time: RelationColumn | null
}

function finish(
  name: 'report-groups' | 'report-values' | 'report-entities',
  slots: Readonly<Record<string, string>>,
  bound: Values,
  { relation, query, needed, time }: Scene,
): Planned {
  const window = windowCondition(needed, query.window, time)
  return {
    sql: statement(name, { ...slots, source: needed.list, relation: relation.from, window: window.condition }),
    values: { ...relation.values, ...window.values, ...bound },
  }
}

/** Where a value of a flagged row is counted: three times its bin, plus 0 below what is usual, 1 within, 2 above; -1 where it is missing. */
function binOf(value: string, index: number): string {
  const [low, high, usualLow, usualHigh] = ['low', 'high', 'usualLow', 'usualHigh'].map(
    (list) => `($${list}::double[])[${index}]`,
  ) as [string, string, string, string]
  return `case when not above then null when ${value} is null or isnan(${value}) then -1 else (
    case when ${value} < ${low} then 0 when ${value} > ${high} then $bins + 1
      else 1 + least(floor((${value} - ${low}) / (${high} - ${low}) * $bins), $bins - 1) end * 3
    + case when ${value} < ${usualLow} then 0 when ${value} > ${usualHigh} then 2 else 1 end)::integer end`
}

function timeOf(relation: Relation, { timestamp }: AggregateQuery): RelationColumn | null {
  return timestamp === undefined ? null : requireKind(columnOf(relation, timestamp), ['timestamp'], 'a timestamp')
}

/** What stretches are made of: epoch microseconds, NaN for null, or the position of a row. */
function placeOf(needed: Needed, time: RelationColumn | null): string {
  return time === null ? 'position::double' : microseconds(needed, time)
}

/** Number of the stretch; what lies outside counts to the nearest. */
function stretchOf(place: string, { stretches }: AggregateQuery, bound: Record<string, number>): string {
  Object.assign(bound, { first: stretches.first, width: stretches.width, last: stretches.count - 1 })
  return `case when not isnan(${place}) then least(greatest(floor((${place} - $first) / $width), 0), $last)::integer end`
}

/**
 * Local hour of the week; 1970-01-01 was a Thursday. By the table of offsets that the model holds, because the database's own is
 * another one.
 */
function hourOf(time: string, { transitions: { utc, offset } }: AggregateQuery, bound: Record<string, number>): string {
  const cases = utc.slice(1).map((second, index) => {
    bound[`until${index}`] = second * 1e6
    bound[`offset${index}`] = (offset[index] as number) * 1e6
    return `when ${time} < $until${index} then $offset${index}`
  })
  bound['offset'] = (offset.at(-1) as number) * 1e6
  const ahead = cases.length === 0 ? '$offset' : `case ${cases.join(' ')} else $offset end`
  return `case when not isnan(${time}) then (((floor((${time} + ${ahead}) / 3600e6)::bigint + 72) % 168 + 168) % 168)::integer end`
}

function labelOf(needed: Needed, relation: Relation, name: string): string {
  const column = requireKind(columnOf(relation, name), ['number', 'boolean'], 'numeric or boolean')
  return `coalesce(${needed.add(column.expression)}::double, 'nan'::double)`
}

function entityOf(needed: Needed, relation: Relation, name: string): string {
  return `left(${needed.add(columnOf(relation, name).expression)}::varchar, ${entityLength})`
}

function nullIfNaN(double: string): string {
  return `case when not isnan(${double}) then ${double} end`
}

function requireKind(column: RelationColumn, kinds: readonly string[], words: string): RelationColumn {
  if (kinds.includes(column.kind)) return column
  throw new DeepWatchError('type_mismatch', `The column ${show(column.name)} is not ${words}.`, {
    facts: { column: column.name.slice(0, 200) },
  })
}

function omit<Record extends object, Key extends keyof Record>(record: Record, key: Key): Omit<Record, Key> {
  const { [key]: _, ...rest } = record
  return rest
}

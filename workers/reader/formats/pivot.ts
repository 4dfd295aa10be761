import { DeepWatchError } from '../../../src/errors.ts'
import type { SourceReading } from '../../../src/reader/index.ts'
import {
  COUNTED_POSITION,
  checkNames,
  columnError,
  columnOf,
  type Database,
  quoteText,
  type Relation,
  type RelationColumn,
  rowsOf,
  SQL_TYPES,
  show,
  statement,
} from '../database/index.ts'

/**
 * Long telemetry, a row per metric, as wide telemetry, a row per time and entity: every metric is a column, and the other columns tell
 * the rows apart. Rows come in the order of time. The same relation without `pivot`.
 *
 * Throws `unknown_column`, `type_mismatch` for values that are no numbers, `too_many_columns`, and `duplicate_value` where a metric has
 * two values in one row.
 */
export async function withPivot(
  database: Database,
  relation: Relation,
  { pivot, timestamp }: SourceReading,
  maxColumns: number,
): Promise<Relation> {
  if (pivot === undefined) return relation
  const metric = columnOf(relation, pivot.metric)
  const value = columnOf(relation, pivot.value)
  if (value.kind !== 'number')
    throw columnError('type_mismatch', value.name, `pivot: ${show(value.name)} is ${value.type}; values are numbers.`)
  const keys = relation.columns.filter((column) => column !== metric && column !== value)
  const long = [...keys.map(({ expression }, i) => `${expression} as k${i}`), `${metric.expression}::varchar as m`]
  const slots = { long: [...long, `${value.expression}::double as v`].join(', '), relation: relation.from }
  const metrics = await metricsOf(database, relation, slots, maxColumns)
  checkNames([...keys.map(({ name }) => name), ...metrics], maxColumns)
  const keyNames = keys.map((_, i) => `k${i}`)
  await refuseTwins(database, relation, { ...slots, keys: [...keyNames, 'm'].join(', ') })
  const time = keys.findIndex(({ name, kind }) => (timestamp === undefined ? kind === 'timestamp' : name === timestamp))
  const order = time === -1 ? keyNames : [`k${time}`, ...keyNames.filter((_, i) => i !== time)]
  const from = statement('pivot', {
    ...slots,
    selected: [...keyNames, ...metrics.map((name, i) => `max(v) filter (where m = ${quoteText(name)}) as w${i}`)].join(
      ', ',
    ),
    keys: keyNames.length === 0 ? 'all' : keyNames.join(', '),
    order: order.length === 0 ? '1' : order.join(', '),
  })
  const wide = metrics.map((name, i): RelationColumn => {
    const type = SQL_TYPES.number
    return { name, type, sql: type, kind: 'number', partition: false, precisionLoss: false, expression: `w${i}` }
  })
  const kept = keys.map(({ echo, text, ...column }, i): RelationColumn => ({ ...column, expression: `k${i}` }))
  const { values, misfit } = relation
  return {
    columns: [...kept, ...wide],
    rows: null,
    from: `(${from})`,
    values,
    position: COUNTED_POSITION,
    ...(misfit && { misfit }),
  }
}

type Slots = Readonly<Record<'long' | 'relation', string>>

async function metricsOf(database: Database, { values }: Relation, slots: Slots, max: number): Promise<string[]> {
  const sql = statement('pivot-metrics', { ...slots, max: String(max + 1) })
  const found = (await rowsOf(database.connection, sql, values)).map(([name]) => String(name))
  if (found.length <= max) return found.sort()
  const detail = `pivot: there are more than ${max} metrics, and each would be a column.`
  throw new DeepWatchError('too_many_columns', detail, { facts: { limit: max } })
}

async function refuseTwins(database: Database, { values }: Relation, slots: Slots & { keys: string }): Promise<void> {
  const [twin] = await rowsOf(database.connection, statement('pivot-twins', slots), values)
  if (twin === undefined) return
  const [metric, count] = twin
  const detail = `pivot: the metric ${show(String(metric))} has ${count} values at one time for the same other columns. Take out the twins, or add the column that tells them apart.`
  throw new DeepWatchError('duplicate_value', detail, { facts: { metric: String(metric).slice(0, 200) } })
}

import { DeepWatchError } from '../../../src/errors.ts'
import type { TimeContextLane } from '../../../src/kernels/history/index.ts'
import type { FeatureQuery, ReadWindow } from '../../../src/reader/index.ts'
import { columnOf, type Relation, type RelationColumn, show, statement, type Values } from '../database/index.ts'
import { type EchoedColumn, echoOf } from './echo.ts'

/** Where a lane's values come from: a column of the statement's result, the time context, or counting. */
export type LaneSource =
  | { readonly column: number; readonly label?: string }
  | { readonly timeContext: TimeContextLane }
  | { readonly counted: true }
  | { readonly derived: number }
  | { readonly history: true }
  | { readonly entity: true }

/** A statement that streams lanes, and how its result columns become lanes. Decided before anything is read. */
export interface FeaturePlan {
  readonly sql: string
  readonly values: Values
  /** The same lanes by a statement that reports every error. */
  readonly checkSql: string
  readonly lanes: readonly LaneSource[]
  /** Result columns that must be doubles. */
  readonly doubles: readonly number[]
  /** Result column of the time in epoch microseconds; null when nobody needs it. */
  readonly time: number | null
  /** Result columns of the histories' base values and of the entity's text; null when nothing is derived. */
  readonly history: { readonly base: readonly number[]; readonly entity: number | null } | null
  /** Result column of the text of the row's entity, for the entity lane. */
  readonly entity: number | null
  /** Result columns of which the row's text is made. */
  readonly echoed: readonly EchoedColumn[]
  /** Result column that is true in the last row; null when `expected` rows are the proof of completeness. */
  readonly proof: number | null
  readonly expected: number | null
}

/** Columns of the relation that a statement needs, under names of ours. */
export class Needed {
  private readonly expressions: string[] = []

  /** The name under which the statement sees this expression. */
  add(expression: string): string {
    const known = this.expressions.indexOf(expression)
    return `c${known === -1 ? this.expressions.push(expression) - 1 : known}`
  }

  /** The inner select list; something must be selected even when nothing is needed. */
  get list(): string {
    return this.expressions.length === 0
      ? '1'
      : this.expressions.map((expression, i) => `${expression} as c${i}`).join(', ')
  }
}

/** Plans a feature stream. Throws `unknown_column`, `type_mismatch`, `missing_timestamp`. */
export function planFeatures(relation: Relation, query: FeatureQuery): FeaturePlan {
  const needed = new Needed()
  const results: string[] = []
  const result = (expression: string): number => results.push(expression) - 1
  const time = query.timestamp === undefined ? null : columnOf(relation, query.timestamp)
  const wantsTime =
    query.lanes?.timestamp === true ||
    query.history !== undefined ||
    query.features.some((lane) => 'timeContext' in lane)
  const timeResult = wantsTime ? result(microseconds(needed, requireTime(time))) : null
  const lanes: LaneSource[] = query.features.map((lane) => {
    if ('timeContext' in lane || 'derived' in lane) return lane
    return { column: result(double(needed, requireNumeric(columnOf(relation, lane.name)))) }
  })
  if (query.lanes?.entity === true) lanes.push({ entity: true })
  if (query.lanes?.row === true) {
    const counted = query.window === undefined
    lanes.push(counted ? { counted } : { column: result(`${needed.add(relation.position)}::double`) })
  }
  if (query.lanes?.timestamp === true) lanes.push({ column: timeResult as number })
  if (query.lanes?.label !== undefined) {
    const label = requireNumeric(columnOf(relation, query.lanes.label))
    const column = result(double(needed, label))
    lanes.push(query.lanes.labelUnchecked === true ? { column } : { column, label: label.name })
  }
  if (query.lanes?.history === true) lanes.push({ history: true })
  const base = query.history?.columns.map(({ name }) =>
    result(double(needed, requireNumeric(columnOf(relation, name)))),
  )
  const padding: string[] = results.map(() => '0::double')
  const doubles = padding.map((_, index) => index)
  const textOf = (name: string | undefined): number | null => {
    if (name === undefined) return null
    padding.push(`''`)
    return result(`${needed.add(columnOf(relation, name).expression)}::varchar`)
  }
  const historyEntity = textOf(query.history?.entity)
  const entity =
    query.lanes?.entity !== true || query.entity === query.history?.entity ? historyEntity : textOf(query.entity)
  const echoed = (query.include ?? []).map((name, index): EchoedColumn => {
    const column = columnOf(relation, name)
    const echo = echoOf(column)
    const key = Buffer.from(`${index === 0 ? '' : ','}${JSON.stringify(name)}:`)
    padding.push(echo.padding)
    return { column: result(echo.expression(needed.add(column.echo ?? column.expression))), echo, key }
  })
  if (lanes.length === 0) throw new DeepWatchError('no_features', 'No column is asked for.')
  const window = windowCondition(needed, query.window, time)
  const counted = query.window === undefined && relation.rows !== null
  const slots = { columns: needed.list, relation: relation.from, window: window.condition }
  // The time context and the row numbers may be all there is; a statement needs a column nevertheless.
  if (results.length === 0) padding.push(String(result('0::double')))
  const list = results.join(', ')
  const values = { ...relation.values, ...window.values }
  return {
    sql: counted
      ? statement('features-counted', { lanes: list, ...slots })
      : statement('features', { lanes: list, padding: padding.join(', '), ...slots }),
    values,
    checkSql: statement('features-check', {
      lanes: results.map((expression, index) => `${expression} as l${index}`).join(', '),
      counts: `bit_xor(hash(${results.map((_, index) => `l${index}`).join(', ')}))::varchar`,
      ...slots,
    }),
    lanes,
    doubles,
    time: timeResult,
    history: base === undefined ? null : { base, entity: historyEntity },
    entity,
    echoed,
    proof: counted ? null : results.length,
    expected: counted ? relation.rows : null,
  }
}

/** A number or boolean as a double, NaN for null: the slots of nulls in a vector hold garbage. */
function double(needed: Needed, column: RelationColumn): string {
  return `coalesce(${needed.add(column.expression)}::double, 'nan'::double)`
}

/** A time in epoch microseconds as a double: NaN for null, infinity for an infinite time, which the reader refuses. */
export function microseconds(needed: Needed, column: RelationColumn): string {
  const name = needed.add(column.expression)
  return `case when ${name} is null then 'nan'::double else ${microsecondsOf(name)} end`
}

/** The same for a name that the statement knows; null for null. */
export function microsecondsOf(name: string): string {
  return `case when isfinite(${name}) then epoch_us(${name})::double when ${name} is not null then 'inf'::double end`
}

/**
 * The condition of a window. A row without a time is in no window: every comparison with null is null. Bounds are compared with
 * the column itself where its type allows, so that row groups can be passed over by their statistics.
 */
export function windowCondition(
  needed: Needed,
  window: ReadWindow | undefined | null,
  time: RelationColumn | null,
): { condition: string; values: Record<string, bigint> } {
  const values: Record<string, bigint> = {}
  if (window === undefined || window === null) return { condition: 'true', values }
  const column = requireTime(time)
  const name = needed.add(column.expression)
  const direct = column.sql === 'TIMESTAMP' || column.sql === 'TIMESTAMP WITH TIME ZONE'
  const compare = (operator: string, bound: number): string => {
    const key = `bound${Object.keys(values).length}`
    values[key] = BigInt(Math.round(bound))
    if (!direct) return `epoch_us(${name}) ${operator} $${key}::bigint`
    return `${name} ${operator} ${column.sql === 'TIMESTAMP' ? 'make_timestamp' : 'make_timestamptz'}($${key}::bigint)`
  }
  const parts = [`${name} is not null`]
  if (window.from !== null) parts.push(compare('>=', window.from))
  if (window.to !== null) parts.push(compare('<', window.to))
  for (const { from, to } of window.exclude) {
    const outside = [from === null ? null : compare('<', from), to === null ? null : compare('>=', to)].filter(
      (part) => part !== null,
    )
    parts.push(outside.length === 0 ? 'false' : `(${outside.join(' or ')})`)
  }
  return { condition: parts.join(' and '), values }
}

function requireTime(column: RelationColumn | null): RelationColumn {
  if (column === null)
    throw new DeepWatchError('missing_timestamp', 'The source has no timestamp column, which is needed here.')
  if (column.kind === 'timestamp') return column
  throw new DeepWatchError('type_mismatch', `The column ${show(column.name)} is not a timestamp.`, {
    facts: { column: column.name.slice(0, 200) },
  })
}

function requireNumeric(column: RelationColumn): RelationColumn {
  if (column.kind === 'number' || column.kind === 'boolean') return column
  throw new DeepWatchError('type_mismatch', `The column ${show(column.name)} is neither numeric nor boolean.`, {
    facts: { column: column.name.slice(0, 200) },
  })
}

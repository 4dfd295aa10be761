import { DeepWatchError } from '../../../src/errors.ts'
import { stepOf, type TimeContextColumn } from '../../../src/kernels/history/index.ts'
import { type FeatureQuery, type SpanQuery, usable } from '../../../src/reader/index.ts'
import {
  columnError,
  columnOf,
  type Relation,
  type RelationColumn,
  show,
  statement,
  type Values,
} from '../database/index.ts'
import { type EchoedColumn, echoOf } from './echo.ts'

/** Where a column of the feature matrix takes its values from: the result of this number, or what the reader makes. */
export type MatrixColumn =
  | { readonly result: number; readonly label?: string }
  | { readonly timeContext: TimeContextColumn; readonly step: number }
  | { readonly counted: true }
  | { readonly derived: number }
  | { readonly history: true }
  | { readonly entity: true }

/** A statement that streams the feature matrix, and how its results become columns. Decided before anything is read. */
export interface FeaturePlan {
  readonly sql: string
  readonly values: Values
  /** The same results by a statement that reports every error. */
  readonly checkSql: string
  readonly columns: readonly MatrixColumn[]
  /** Results that must be doubles. */
  readonly doubles: readonly number[]
  /** Result of the time in epoch microseconds; null when nobody needs it. */
  readonly time: number | null
  /** Results of the histories' base values and of the entity's text; null when nothing is derived. */
  readonly history: { readonly base: readonly number[]; readonly entity: number | null } | null
  /** Result of the text of the row's entity, for the entity column. */
  readonly entity: number | null
  /** Results of which the row's text is made. */
  readonly echoed: readonly EchoedColumn[]
  /** Result that is true in the last row; null when `expected` rows are the proof of completeness. */
  readonly proof: number | null
  readonly expected: number | null
}

/** Columns of the relation that a statement needs, under names of ours. */
class Needed {
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

/**
 * Plans a feature stream. Throws `unknown_column`, `type_mismatch`, `missing_timestamp`.
 * @param offset seconds that local time is ahead of UTC, see `localOffset`; only the time context needs it
 */
export function planFeatures(relation: Relation, query: FeatureQuery, offset = '0'): FeaturePlan {
  const results = new Results(relation)
  const time = query.timestamp === undefined ? null : columnOf(relation, query.timestamp)
  const timeResult = needsTime(query) ? results.double('micros') : null
  const micros = timeResult === null ? 'null' : microseconds(results.needed, requireTime(time))
  const columns = [
    ...query.features.map((feature) => featureColumn(results, feature)),
    ...extraColumns(results, query, timeResult),
  ]
  if (columns.length === 0) throw new DeepWatchError('no_features', 'No column is asked for.')
  const base = query.history?.columns.map(({ name }) => results.number(name))
  const doubles = results.expressions.map((_, index) => index)
  const historyEntity = results.text(query.history?.entity)
  const isHistoryEntity = query.extra?.entity !== true || query.entity === query.history?.entity
  const entity = isHistoryEntity ? historyEntity : results.text(query.entity)
  const echoed = (query.include ?? []).map((name, index) => results.echo(name, index))
  // The row numbers may be all there is; a statement needs a result nevertheless.
  if (results.expressions.length === 0) results.double('0::double')
  const window = windowOf(results.needed, relation, query)
  const features = statement('features', {
    results: results.expressions.map((expression, index) => `${expression} as r${index}`).join(', '),
    columns: results.needed.list,
    relation: relation.from,
    window: window.condition,
    micros,
    offset,
  })
  const counted = query.window === undefined && relation.rows !== null
  const names = results.expressions.map((_, index) => `r${index}`).join(', ')
  return {
    sql: counted ? features : statement('features-proven', { features, padding: results.padding.join(', ') }),
    values: { ...relation.values, ...window.values },
    checkSql: statement('features-check', { statement: features, counts: `bit_xor(hash(${names}))::varchar` }),
    columns,
    doubles,
    time: timeResult,
    history: base === undefined ? null : { base, entity: historyEntity },
    entity,
    echoed,
    proof: counted ? null : results.expressions.length,
    expected: counted ? relation.rows : null,
  }
}

/** What a statement yields, in order, and a constant of each type beside it. */
class Results {
  readonly needed = new Needed()
  readonly expressions: string[] = []
  readonly padding: string[] = []
  readonly relation: Relation

  constructor(relation: Relation) {
    this.relation = relation
  }

  double(expression: string): number {
    return this.add(expression, '0::double')
  }

  /** A numeric column as a double, NaN for null: the slots of nulls in a vector hold garbage. Throws `unknown_column`, `type_mismatch`. */
  number(name: string): number {
    const column = requireNumeric(columnOf(this.relation, name))
    return this.double(`coalesce(${this.needed.add(column.expression)}::double, 'nan'::double)`)
  }

  /** The text of an entity; null without a column. */
  text(name: string | undefined): number | null {
    if (name === undefined) return null
    return this.add(entityText(this.needed, this.relation, name), `''`)
  }

  /** A column that is echoed as the member of this place. */
  echo(name: string, place: number): EchoedColumn {
    const column = columnOf(this.relation, name)
    const echo = echoOf(column)
    const result = this.add(echo.expression(this.needed.add(column.echo ?? column.expression)), echo.padding)
    return { result, echo, key: Buffer.from(`${place === 0 ? '' : ','}${JSON.stringify(name)}:`) }
  }

  /** The number of a result; what is asked for twice is computed once. */
  private add(expression: string, padding: string): number {
    const known = this.expressions.indexOf(expression)
    if (known !== -1) return known
    this.padding.push(padding)
    return this.expressions.push(expression) - 1
  }
}

function needsTime({ extra, history, features }: FeatureQuery): boolean {
  return extra?.timestamp === true || history !== undefined || features.some((feature) => 'timeContext' in feature)
}

function featureColumn(results: Results, feature: FeatureQuery['features'][number]): MatrixColumn {
  if ('derived' in feature) return feature
  if ('timeContext' in feature) {
    const { timeContext } = feature
    const step = stepOf(timeContext) === 'secondOfDay' ? 'second_of_day' : 'day_of_week'
    return { timeContext, step: results.double(step) }
  }
  return { result: results.number(feature.name) }
}

/** The columns after the features, in the order of `ExtraColumns`. */
function extraColumns(results: Results, { extra, window }: FeatureQuery, time: number | null): MatrixColumn[] {
  const columns: MatrixColumn[] = []
  const { entity, row, timestamp, label, labelUnchecked, history } = extra ?? {}
  if (entity === true) columns.push({ entity })
  if (row === true) {
    const position = () => results.double(`${results.needed.add(results.relation.position)}::double`)
    columns.push(window === undefined ? { counted: true } : { result: position() })
  }
  if (timestamp === true) columns.push({ result: time as number })
  if (label !== undefined) {
    const result = results.number(label)
    columns.push(labelUnchecked === true ? { result } : { result, label })
  }
  if (history === true) columns.push({ history })
  return columns
}

/**
 * The text that tells the entity of a row: as it is written in the source; a whole number without `.0`, because formats that know doubles
 * alone have no other. Throws `unknown_column`, and the refusal of a column that cannot be used.
 */
export function entityText(needed: Needed, relation: Relation, name: string): string {
  const { expression, sql, text } = usable(columnOf(relation, name))
  if (text !== undefined) return needed.add(text)
  const value = needed.add(expression)
  if (sql !== 'DOUBLE' && sql !== 'FLOAT') return `${value}::varchar`
  return `case when ${value} = trunc(${value}) and abs(${value}) < 1e15 then ${value}::bigint::varchar else ${value}::varchar end`
}

/** A time in epoch microseconds as a double: NaN for null, infinity for an infinite time, which the reader refuses. */
export function microseconds(needed: Needed, column: RelationColumn): string {
  const name = needed.add(column.expression)
  return `coalesce(epoch_us(${name})::double, case when ${name} is null then 'nan'::double else 'inf'::double end)`
}

/** A statement of `sql/` over the rows of a window. @param slots what it takes beside columns, relation and window. Errors: as `windowOf` */
export function windowed(
  name: string,
  relation: Relation,
  query: SpanQuery,
  slots: (needed: Needed) => Record<string, string>,
): { sql: string; values: Values } {
  const needed = new Needed()
  const window = windowOf(needed, relation, query)
  const own = slots(needed)
  return {
    sql: statement(name, { ...own, columns: needed.list, relation: relation.from, window: window.condition }),
    values: { ...relation.values, ...window.values },
  }
}

/**
 * The condition of a window. A row without a time is in no window: every comparison with null is null. Bounds are compared with
 * the column itself where its type allows, so that row groups can be passed over by their statistics.
 */
function windowOf(
  needed: Needed,
  relation: Relation,
  { window, timestamp }: SpanQuery,
): { condition: string; values: Record<string, bigint> } {
  const values: Record<string, bigint> = {}
  if (window === undefined) return { condition: 'true', values }
  const column = requireTime(timestamp === undefined ? null : columnOf(relation, timestamp))
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
  throw columnError('type_mismatch', column.name, `The column ${show(column.name)} is not a timestamp.`)
}

function requireNumeric(column: RelationColumn): RelationColumn {
  if (column.kind === 'number' || column.kind === 'boolean') return column
  throw columnError('type_mismatch', column.name, `The column ${show(column.name)} is neither numeric nor boolean.`)
}

/** What a person should know about columns before a model learns from them. */
import type { Column } from '../reader/index.ts'
import type { Warning } from '../schemas/index.ts'
import { quote } from './quote.ts'

const labelNames = new Set(['label', 'is_anomaly', 'anomaly'])
const entityNames = new Set([
  'host',
  'hostname',
  'instance',
  'pod',
  'server',
  'node',
  'entity',
  'machine',
  'device',
  'service',
])
const idName = /(^|[_.-])(id|uid|uuid|guid|pid|row|rownum|row_number|index)$/i
/** Columns that a note each tells about. */
const maxNotes = 100
/** Names that a message tells; the rest is counted. */
const shownNames = 10

const isNumeric = ({ kind }: Column) => kind === 'number' || kind === 'boolean'

/** Names as a message tells them: quoted, a few of them, and how many more there are. */
export function nameList(names: readonly string[]): string {
  const shown = names.slice(0, shownNames).map(quote).join(', ')
  return names.length > shownNames ? `${shown} and ${names.length - shownNames} more` : shown
}

const warning = (code: string, columns: readonly string[], message: string): Warning[] =>
  columns.length === 0 ? [] : [{ code, message, columns: columns.slice(0, 100) }]

/** The column that is called as people call what they tell apart; null without one. */
export function likelyEntity(columns: readonly Column[]): string | null {
  return columns.find(({ name, kind }) => kind !== 'timestamp' && entityNames.has(name.toLowerCase()))?.name ?? null
}

/** Columns that were left out because nobody named them, and are no numbers. */
export function leftOutColumns(columns: readonly Column[]): Warning[] {
  const named = (some: (column: Column) => boolean | undefined) => columns.filter(some).map(({ name }) => name)
  const indexes = named((column) => column.index && isNumeric(column))
  const texts = named(({ kind }) => kind === 'text' || kind === 'other')
  const times = named(({ kind }) => kind === 'timestamp')
  return [
    ...warning(
      'index_column',
      indexes,
      `Not learnt from, being an index of the file or nameless: ${nameList(indexes)}. Name it in features if it is meant.`,
    ),
    ...warning(
      'ignored_columns',
      [...texts, ...times],
      `Not learnt from, being neither numeric nor boolean: ${nameList([...texts, ...times])}.`,
    ),
  ]
}

/** Columns that cannot be used, though nobody named them. */
export function unusableColumns(columns: readonly Column[]): Warning[] {
  const unusable = columns.filter(({ refusal }) => refusal?.byDefault).slice(0, maxNotes)
  return unusable.map(({ name, refusal }) => ({ code: 'unusable_column', message: refusal!.detail, columns: [name] }))
}

const metricNames = new Set(['metric', 'metric_name', '__name__', 'measurement', 'name', 'field', 'series', 'counter'])
const valueNames = new Set(['value', 'val', 'metric_value', '_value'])

/** The columns of telemetry with a row per metric; null where the features are anything else than one value beside a name of a metric. */
export function longFormat(
  columns: readonly Column[],
  features: readonly Column[],
): { metric: string; value: string } | null {
  const [value, ...others] = features
  const metric = columns.find(({ name, kind }) => kind === 'text' && metricNames.has(name.toLowerCase()))
  if (!value || others.length > 0 || !metric || !valueNames.has(value.name.toLowerCase())) return null
  return { metric: metric.name, value: value.name }
}

/** Features of which a value changes when it becomes a double. */
export function roundedColumns(used: readonly Column[]): Warning[] {
  const names = used.filter(({ precisionLoss }) => precisionLoss).map(({ name }) => name)
  return warning(
    'precision_loss',
    names,
    `Some numbers of ${nameList(names)} have more digits than a double holds and are rounded.`,
  )
}

/** Columns that may have a role which nobody gave them. */
export function roleHints(
  columns: readonly Column[],
  roles: { readonly entity: string | null; readonly label: string | null },
): Warning[] {
  const labels = columns
    .filter((column) => isNumeric(column) && labelNames.has(column.name.toLowerCase()) && column.name !== roles.label)
    .map(({ name }) => name)
  const entity = roles.entity === null ? likelyEntity(columns) : null
  const entities = entity === null ? [] : [entity]
  return [
    ...warning('possible_label', labels, `${nameList(labels)} may be a label; it is one only when named as label.`),
    ...warning(
      'possible_entity',
      entities,
      `${nameList(entities)} may tell hosts or services apart; it does so only when named as entity (--entity ${entity}).`,
    ),
  ]
}

/** Features that are numbers but measure nothing. `growing` are those that only grow. */
export function doubtfulFeatures(features: readonly Column[], growing: readonly string[]): Warning[] {
  const ids = features
    .filter(({ name, kind }) => kind === 'number' && idName.test(name) && !growing.includes(name))
    .map(({ name }) => name)
  const pronoun = growing.length === 1 ? 'grows' : 'grow'
  return [
    ...warning(
      'growing_columns',
      growing,
      `${nameList(growing)} only ${pronoun}: later rows will lie outside what was learnt. For a counter use the feature {"column": …, "derive": "rate"}; leave out what is no metric by naming the others in features.`,
    ),
    ...warning(
      'possible_id',
      ids,
      `${nameList(ids)} may be an identifier; leave it out by naming the others in features.`,
    ),
  ]
}

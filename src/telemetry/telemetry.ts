/**
 * What the columns of a source mean: which is the time, which the entity, which are features. Training
 * decides it once and the model remembers; scoring finds the same columns again by name.
 */
import { DeepWatchError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import {
  type Column,
  type Description,
  type FeatureColumn,
  type ReaderSession,
  type ReadWindow,
  usable,
} from '../reader/index.ts'
import {
  type DerivedFeature,
  type Feature,
  type Reading,
  type Roles,
  readingOf,
  type TrainSettings,
  type Warning,
} from '../schemas/index.ts'
import { parseTimestamp } from '../time/index.ts'
import { leftOutColumns, longFormat, roleHints, roundedColumns, unusableColumns } from './column-warnings.ts'
import { isDerived } from './derived.ts'
import { quote } from './quote.ts'

/** A source that can be read as often as needed: a reading process over files, or rows held in memory. */
export type Telemetry = Pick<ReaderSession, 'describe' | 'span' | 'entities' | 'growing' | 'features' | 'close'>

/** Our own output; never learnt from, and replaced when it is written again. */
const ownColumns = new Set(['anomaly_score', 'is_anomaly'])
const isOwn = (name: string) => ownColumns.has(name.toLowerCase())

/** A window of the settings in epoch microseconds; undefined when there is none. */
export function readWindow(window: TrainSettings['window']): ReadWindow | undefined {
  if (!window) return undefined
  const bound = (text: string | undefined) => (text === undefined ? null : parseTimestamp(text))
  const exclude = (window.exclude ?? []).map((range) => ({ from: bound(range.from), to: bound(range.to) }))
  return { from: bound(window.from), to: bound(window.to), exclude }
}

/** What training found out about the columns. `features` are in source order, or in the order asked for. */
export interface ColumnPlan {
  readonly roles: Roles
  /** How the source was read, where that was said or found. */
  readonly reading: Reading
  readonly features: readonly Column[]
  /** Derived features in the order asked for, with their base columns. */
  readonly derived: readonly { readonly feature: DerivedFeature; readonly column: Column }[]
  readonly warnings: readonly Warning[]
}

/**
 * Gives every column its meaning for training. Errors: `unknown_column`, `ambiguous_timestamp`,
 * `type_mismatch`, `validation_failed` when a column has two roles, `no_features`, `long_format`, `missing_timestamp` for derived
 * features without one.
 */
export function planColumns(
  description: Description,
  settings: Pick<TrainSettings, 'timestamp' | 'entity' | 'label' | 'features'> & Reading,
): ColumnPlan {
  const byName = new Map(description.columns.map((column) => [column.name, column]))
  const named = (role: keyof Roles) => {
    const name = settings[role]
    return name === undefined ? null : requireColumn(byName, name, role)
  }
  const timestamp = named('timestamp')
  if (timestamp) requireTime(timestamp)
  const roles: Roles = {
    timestamp: timestamp?.name ?? onlyTimestamp(description.columns),
    entity: named('entity')?.name ?? null,
    label: named('label')?.name ?? null,
  }
  if (roles.label !== null) requireLabel(byName.get(roles.label)!)
  const taken = new Map<string, string>()
  for (const [role, name] of Object.entries(roles)) {
    if (name === null) continue
    const other = taken.get(name)
    if (other) throw new DeepWatchError('validation_failed', `${role}: ${quote(name)} is the ${other} already.`)
    taken.set(name, role)
  }
  const asked = settings.features ?? []
  const features = settings.features
    ? asked.filter((feature) => typeof feature === 'string').map((name) => namedFeature(name, byName, taken))
    : defaultFeatures(description.columns, taken)
  if (!settings.features) refuseLong(description.columns, features)
  const derived = asked
    .filter((feature) => typeof feature !== 'string')
    .map((feature) => ({ feature, column: namedFeature(feature.column, byName, taken) }))
  if (derived.length > 0 && roles.timestamp === null)
    throw new DeepWatchError('missing_timestamp', 'features: derived features need a timestamp column.')
  if (features.length + derived.length === 0)
    throw new DeepWatchError('no_features', 'The source has no numeric or boolean column without a role.')
  const unnamed = description.columns.filter(({ name, partition }) => !taken.has(name) && !partition && !isOwn(name))
  const warnings = [
    ...(settings.features ? [] : leftOutColumns(unnamed)),
    ...roleHints(description.columns, roles),
    ...unusableColumns(description.columns),
    ...roundedColumns([...new Set([...features, ...derived.map(({ column }) => column)])]),
  ]
  const timestampFormat = roles.timestamp === null ? undefined : byName.get(roles.timestamp)?.timestampFormat
  const reading = { ...(timestampFormat && { timestampFormat }), ...readingOf(settings) }
  return { roles, reading, features, derived, warnings }
}

/** Throws `long_format` for telemetry with a row per metric, whose one value is many metrics. */
function refuseLong(columns: readonly Column[], features: readonly Column[]): void {
  const pivot = longFormat(columns, features)
  if (!pivot) return
  const [metric, value] = [quote(pivot.metric), quote(pivot.value)]
  const detail = `The source has a row per metric: ${metric} names it, ${value} is its value. Set pivot to ${JSON.stringify(pivot)}, or name ${value} in features if it is one metric.`
  throw new DeepWatchError('long_format', detail, { facts: { pivot } })
}

/** The only timestamp column of a source; null when it has none. */
function onlyTimestamp(columns: readonly Column[]): string | null {
  const times = columns.filter((column) => column.kind === 'timestamp' && !column.partition)
  if (times.length <= 1) return times[0]?.name ?? null
  const names = times.slice(0, 10).map(({ name }) => quote(name))
  const detail = `The source has several timestamp columns; name one of ${names.join(', ')} as timestamp.`
  throw new DeepWatchError('ambiguous_timestamp', detail, {
    facts: { columns: times.slice(0, 10).map((column) => column.name) },
  })
}

function requireTime(column: Column): void {
  const { name, kind, type } = usable(column)
  if (kind === 'timestamp' || type === 'null') return
  if (kind !== 'number') throw mistyped(name, `${quote(name)} is ${type}, not a timestamp.`)
  const detail = `${quote(name)} is a number whose unit is not known; a timestamp column is needed.`
  throw new DeepWatchError('ambiguous_timestamp', detail, { facts: { columns: [name] } })
}

const mistyped = (column: string, detail: string, facts: object = {}) =>
  new DeepWatchError('type_mismatch', detail, { facts: { column, ...facts } })

const isNumeric = ({ kind }: Column) => kind === 'number' || kind === 'boolean'

function requireColumn(byName: ReadonlyMap<string, Column>, name: string, role: string): Column {
  const column = byName.get(name)
  if (column) return usable(column)
  const detail = `${role}: the source has no column ${quote(name)}${didYouMean(name, byName.keys())}.`
  throw new DeepWatchError('unknown_column', detail, { facts: { column: name } })
}

function requireLabel(column: Column): void {
  if (isNumeric(column)) return
  throw mistyped(column.name, `${quote(column.name)} is ${column.type}; a label is boolean, or 0 and 1.`)
}

function namedFeature(name: string, byName: ReadonlyMap<string, Column>, taken: ReadonlyMap<string, string>): Column {
  const column = requireColumn(byName, name, 'features')
  const role = taken.get(name)
  if (role)
    throw new DeepWatchError('validation_failed', `features: ${quote(name)} is the ${role} and cannot be a feature.`)
  if (isOwn(name)) {
    const detail = `features: ${quote(name)} is output of this service and cannot be a feature.`
    throw new DeepWatchError('validation_failed', detail)
  }
  requireNumeric(column)
  return column
}

function requireNumeric(column: Column): void {
  if (isNumeric(usable(column))) return
  refuseMixed(column)
  throw mistyped(column.name, `${quote(column.name)} is ${column.type}; a feature is numeric or boolean.`)
}

/** Throws for a column that holds numbers beside something else. */
function refuseMixed({ name, mistyped: found, unfit }: Column): void {
  if (unfit !== undefined)
    throw mistyped(name, `${unfit} Mend them, name their words in nullValues, or name other features.`)
  if (!found) return
  const { values, firstRows } = found
  const detail = `${quote(name)} holds numbers and ${values} values that are none, the first in the rows ${firstRows.join(', ')}.`
  throw mistyped(name, detail, { values, firstRows })
}

function defaultFeatures(columns: readonly Column[], taken: ReadonlyMap<string, string>): Column[] {
  const free = columns.filter(
    (column) => !taken.has(column.name) && !column.partition && !isOwn(column.name) && !column.index,
  )
  for (const column of free) {
    refuseMixed(column)
    if (column.refusal?.byDefault) usable(column)
  }
  // By name: the order in which a source happens to have its columns makes no other model.
  return free.filter(isNumeric).sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Where scoring finds what a model needs. `timestamp` is null when the source has none. */
export interface ScoringPlan {
  readonly features: readonly FeatureColumn[]
  readonly timestamp: string | null
}

/**
 * Finds the features of a model in a source, by name. `named` are the roles of the request; a column they
 * name may be absent. Errors: `missing_feature` listing all, `type_mismatch`, `ambiguous_timestamp`.
 */
export function planScoring(
  description: Description,
  model: { readonly features: readonly Feature[]; readonly roles: Roles },
  named: { readonly timestamp?: string | undefined },
): ScoringPlan {
  const byName = new Map(description.columns.map((column) => [column.name, column]))
  const wanted = named.timestamp ?? model.roles.timestamp
  const column = wanted === null ? undefined : byName.get(wanted)
  if (column) requireTime(column)
  const timestamp = column?.name ?? (wanted === null ? onlyTimestamp(description.columns) : null)
  // Without a row there is nothing that could be missing.
  const nothing = description.rows === 0 && description.columns.length === 0
  if (nothing) return { features: featureColumns(model.features), timestamp }
  const needsTime = (feature: Feature) => feature.kind === 'timeContext' || feature.kind === 'derived'
  const missing = model.features.filter((feature) => {
    const column = columnOf(feature)
    return (needsTime(feature) && timestamp === null) || (column !== null && !byName.has(column))
  })
  if (missing.length > 0) {
    const names = missing.map((feature) => feature.name)
    const what = missing.some(isDerived) ? 'What is derived' : 'The time context'
    const lacksTime = timestamp === null && missing.some(needsTime)
    const why = lacksTime ? ` ${what} needs the column ${quote(wanted ?? 'timestamp')}.` : ''
    const detail = `The source lacks ${names.length} of ${model.features.length} features: ${names.slice(0, 10).map(quote).join(', ')}.${why}`
    throw new DeepWatchError('missing_feature', detail, { facts: { features: names.slice(0, 1000) } })
  }
  for (const feature of model.features) {
    const column = columnOf(feature)
    if (column !== null) requireNumeric(byName.get(column)!)
  }
  return { features: featureColumns(model.features), timestamp }
}

/** The column of the source that a feature needs; null for a part of the time context. */
function columnOf(feature: Feature): string | null {
  return feature.kind === 'timeContext' ? null : feature.kind === 'derived' ? feature.column : feature.name
}

/** The columns of the feature matrix for a model's features, in the model's order. */
export function featureColumns(features: readonly Feature[]): FeatureColumn[] {
  let derived = 0
  return features.map((feature) => {
    if (feature.kind === 'timeContext') return { timeContext: feature.timeContext }
    if (feature.kind === 'derived') return { derived: derived++, name: feature.name }
    return { name: feature.name, kind: feature.kind }
  })
}

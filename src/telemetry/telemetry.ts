/**
 * What the columns of a source mean: which is the time, which the entity, which are features. Training
 * decides it once and the model remembers; scoring finds the same columns again by name.
 */
import { DeepWatchError } from '../errors.ts'
import type { Column, Description, FeatureColumn, ReaderSession, ReadWindow } from '../reader/index.ts'
import type { DerivedFeature, Feature, Roles, TrainSettings, Warning } from '../schemas/index.ts'
import { parseTimestamp } from '../time/index.ts'
import { isDerived } from './derived.ts'

/** A source that can be read as often as needed: a reading process over files, or rows held in memory. */
export type Telemetry = Pick<ReaderSession, 'describe' | 'span' | 'entities' | 'features' | 'close'>

/** Our own output; never learnt from, and replaced when it is written again. */
const ownColumns = new Set(['anomaly_score', 'is_anomaly'])
const labelNames = new Set(['label', 'is_anomaly', 'anomaly'])

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
  readonly features: readonly Column[]
  /** Derived features in the order asked for, with their base columns. */
  readonly derived: readonly { readonly feature: DerivedFeature; readonly column: Column }[]
  readonly warnings: readonly Warning[]
}

/**
 * Gives every column its meaning for training. Errors: `unknown_column`, `ambiguous_timestamp`,
 * `type_mismatch`, `validation_failed` when a column has two roles, `no_features`, `missing_timestamp` for derived
 * features without one.
 */
export function planColumns(
  description: Description,
  settings: Pick<TrainSettings, 'timestamp' | 'entity' | 'label' | 'features'>,
): ColumnPlan {
  const byName = new Map(description.columns.map((column) => [column.name, column]))
  const roles: Roles = {
    timestamp: findTimestamp(description.columns, settings.timestamp, byName),
    entity: requireColumn(byName, settings.entity, 'entity')?.name ?? null,
    label: requireLabel(byName, settings.label),
  }
  const taken = new Map<string, string>()
  for (const [role, name] of Object.entries(roles)) {
    if (name === null) continue
    const other = taken.get(name)
    if (other) throw new DeepWatchError('validation_failed', `${role}: ${quote(name)} is the ${other} already.`)
    taken.set(name, role)
  }
  const warnings: Warning[] = []
  const named = settings.features?.filter((feature) => typeof feature === 'string')
  const features = named
    ? named.map((name) => namedFeature(name, byName, taken))
    : defaultFeatures(description.columns, taken, warnings)
  const derived = (settings.features ?? [])
    .filter((feature) => typeof feature !== 'string')
    .map((feature) => ({ feature, column: namedFeature(feature.column, byName, taken) }))
  if (derived.length > 0 && roles.timestamp === null)
    throw new DeepWatchError('missing_timestamp', 'features: derived features need a timestamp column.')
  if (features.length + derived.length === 0)
    throw new DeepWatchError('no_features', 'The source has no numeric or boolean column without a role.')
  for (const column of description.columns) {
    const numeric = column.kind === 'number' || column.kind === 'boolean'
    if (numeric && labelNames.has(column.name.toLowerCase()) && column.name !== roles.label) {
      warnings.push({
        code: 'possible_label',
        message: `${quote(column.name)} may be a label; it is one only when named as label.`,
        columns: [column.name],
      })
    }
  }
  const used = new Set([...features, ...derived.map(({ column }) => column)])
  const rounded = [...used].filter((column) => column.precisionLoss).map((column) => column.name)
  if (rounded.length > 0)
    warnings.push({ code: 'precision_loss', message: 'Integers beyond 2^53 are rounded to doubles.', columns: rounded })
  return { roles, features, derived, warnings }
}

function findTimestamp(
  columns: readonly Column[],
  named: string | undefined,
  byName: ReadonlyMap<string, Column>,
): string | null {
  if (named !== undefined) {
    const column = requireColumn(byName, named, 'timestamp')!
    requireTime(column)
    return column.name
  }
  const times = columns.filter((column) => column.kind === 'timestamp' && !column.partition)
  if (times.length > 1) {
    throw new DeepWatchError(
      'ambiguous_timestamp',
      'The source has several timestamp columns; name one as timestamp.',
      {
        facts: { columns: times.slice(0, 10).map((column) => column.name) },
      },
    )
  }
  return times[0]?.name ?? null
}

function requireTime(column: Column): void {
  if (column.kind === 'timestamp' || column.type === 'null') return
  if (column.kind === 'number') {
    throw new DeepWatchError(
      'ambiguous_timestamp',
      `${quote(column.name)} is a number whose unit is not known; a timestamp column is needed.`,
      { facts: { columns: [column.name] } },
    )
  }
  throw new DeepWatchError('type_mismatch', `${quote(column.name)} is ${column.type}, not a timestamp.`, {
    facts: { column: column.name },
  })
}

function requireColumn(byName: ReadonlyMap<string, Column>, name: string | undefined, role: string): Column | null {
  if (name === undefined) return null
  const column = byName.get(name)
  if (!column)
    throw new DeepWatchError('unknown_column', `${role}: the source has no column ${quote(name)}.`, {
      facts: { column: name },
    })
  return column
}

function requireLabel(byName: ReadonlyMap<string, Column>, name: string | undefined): string | null {
  const column = requireColumn(byName, name, 'label')
  if (column && column.kind !== 'boolean' && column.kind !== 'number') {
    throw new DeepWatchError(
      'type_mismatch',
      `${quote(column.name)} is ${column.type}; a label is boolean, or 0 and 1.`,
      { facts: { column: column.name } },
    )
  }
  return column?.name ?? null
}

function namedFeature(name: string, byName: ReadonlyMap<string, Column>, taken: ReadonlyMap<string, string>): Column {
  const column = requireColumn(byName, name, 'features')!
  const role = taken.get(name)
  if (role)
    throw new DeepWatchError('validation_failed', `features: ${quote(name)} is the ${role} and cannot be a feature.`)
  if (ownColumns.has(name.toLowerCase()))
    throw new DeepWatchError(
      'validation_failed',
      `features: ${quote(name)} is output of this service and cannot be a feature.`,
    )
  requireNumeric(column)
  return column
}

function requireNumeric(column: Column): void {
  if (column.kind === 'number' || column.kind === 'boolean') return
  if (column.mistyped) refuseMistyped(column, column.mistyped)
  throw new DeepWatchError(
    'type_mismatch',
    `${quote(column.name)} is ${column.type}; a feature is numeric or boolean.`,
    { facts: { column: column.name } },
  )
}

function refuseMistyped({ name }: Column, { values, firstRows }: NonNullable<Column['mistyped']>): never {
  throw new DeepWatchError(
    'type_mismatch',
    `${quote(name)} holds numbers and ${values} values that are none, the first in the rows ${firstRows.join(', ')}.`,
    {
      facts: { column: name, values, firstRows },
    },
  )
}

function defaultFeatures(
  columns: readonly Column[],
  taken: ReadonlyMap<string, string>,
  warnings: Warning[],
): Column[] {
  const free = columns.filter(
    (column) => !taken.has(column.name) && !column.partition && !ownColumns.has(column.name.toLowerCase()),
  )
  for (const column of free) if (column.mistyped) refuseMistyped(column, column.mistyped)
  const left = free.filter((column) => column.kind === 'text' || column.kind === 'other').map((column) => column.name)
  if (left.length > 0) {
    warnings.push({
      code: 'ignored_columns',
      message: `${left.length} columns are neither numeric nor boolean and were not learnt from.`,
      columns: left.slice(0, 100),
    })
  }
  return free.filter((column) => column.kind === 'number' || column.kind === 'boolean')
}

/** Where scoring finds what a model needs. `timestamp` is null when the source has none. */
export interface ScoringPlan {
  readonly lanes: readonly FeatureColumn[]
  readonly timestamp: string | null
  readonly warnings: readonly Warning[]
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
  const timestamp = column?.name ?? (wanted === null ? findTimestamp(description.columns, undefined, byName) : null)
  // Without a row there is nothing that could be missing.
  const nothing = description.rows === 0 && description.columns.length === 0
  if (nothing) return { lanes: featureColumns(model.features), timestamp, warnings: [] }
  const needsTime = (feature: Feature) => feature.kind === 'timeContext' || feature.kind === 'derived'
  const missing = model.features.filter((feature) => {
    const column = columnOf(feature)
    return (needsTime(feature) && timestamp === null) || (column !== null && !byName.has(column))
  })
  if (missing.length > 0) {
    const names = missing.map((feature) => feature.name)
    const why =
      timestamp === null && missing.some(needsTime)
        ? ` ${missing.some(isDerived) ? 'What is derived' : 'The time context'} needs the column ${quote(wanted ?? 'timestamp')}.`
        : ''
    throw new DeepWatchError(
      'missing_feature',
      `The source lacks ${names.length} of ${model.features.length} features: ${names.slice(0, 10).map(quote).join(', ')}.${why}`,
      {
        facts: { features: names.slice(0, 1000) },
      },
    )
  }
  for (const feature of model.features) {
    const column = columnOf(feature)
    if (column !== null) requireNumeric(byName.get(column)!)
  }
  return { lanes: featureColumns(model.features), timestamp, warnings: [] }
}

/** The column of the source that a feature needs; null for a part of the time context. */
function columnOf(feature: Feature): string | null {
  return feature.kind === 'timeContext' ? null : feature.kind === 'derived' ? feature.column : feature.name
}

/** The lanes of the feature matrix for a model's features, in the model's order. */
export function featureColumns(features: readonly Feature[]): FeatureColumn[] {
  let derived = 0
  return features.map((feature) => {
    if (feature.kind === 'timeContext') return { timeContext: feature.timeContext }
    if (feature.kind === 'derived') return { derived: derived++, name: feature.name }
    return { name: feature.name, kind: feature.kind }
  })
}

/** A name from outside, as a person may read it in a message: quoted, cut, without control characters. */
export function quote(name: string): string {
  return JSON.stringify(name.length > 100 ? `${name.slice(0, 100)}…` : name)
}

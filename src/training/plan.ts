/** First step of a training: what the columns mean, which rows are meant and what is read of them. No feature value is looked at. */
import { randomInt } from 'node:crypto'
import { DeepWatchError } from '../errors.ts'
import { smoothingColumns } from '../history/index.ts'
import type { Pool } from '../pool/index.ts'
import type { Description, ExtraColumns, ReadWindow, Span } from '../reader/index.ts'
import { detectorSettings, type Roles, type TrainSettings } from '../schemas/index.ts'
import {
  type ColumnPlan,
  doubtfulFeatures,
  likelyEntity,
  type Opened,
  planColumns,
  readWindow,
  type SourceFacts,
  type Telemetry,
} from '../telemetry/index.ts'
import { type EntityPlan, planEntities } from './entities.ts'
import { type Remembering, rememberBlocks } from './remembered.ts'
import { planTimeContext, type TimeContextPlan } from './time.ts'

export interface StepParts {
  readonly pool: Pool
  /** Blocks under way at once. */
  readonly ahead: number
  /** Bytes that one training may take for its samples and trees. */
  readonly maxBytes: number
  /** Entities that telemetry may have for a model per entity, and bytes that all of their models may take. */
  readonly maxEntities: number
  readonly entityModelBytes: number
  /** Bytes that the windows of all entities may take. */
  readonly historyBytes: number
}

/** What a training is going to do. Every later step reads it. */
export interface TrainingPlan {
  readonly settings: TrainSettings
  /** The detector settings of the request with every default filled in; the plain forest when it names none. */
  readonly requested: NonNullable<TrainSettings['detector']>
  readonly seed: number
  readonly columns: ColumnPlan
  readonly missing: NonNullable<TrainSettings['missing']>
  readonly window: ReadWindow | undefined
  readonly span: Span
  readonly time: TimeContextPlan
  /** Names of the entities, where there are at most 1,000; null without an entity column or with more. */
  readonly entityNames: readonly string[] | null
  /** Those that may get a model of their own; null when nobody does. */
  readonly entities: EntityPlan | null
  /** What every pass reads; `remembered` when its blocks may be held in memory. */
  readonly telemetry: Telemetry
  readonly remembered: Remembering | null
  /** What is read beside the features when rows are scored. */
  readonly beside: ExtraColumns
}

/** Bytes of blocks that a training remembers instead of reading them again. */
const maxRememberedBytes = 128 * 2 ** 20
/** Columns of the time context, and of what is read beside the features. */
const maxColumnsBeside = 8

/**
 * @param wantsScores whether the scores are handed over with the version
 * Errors: those of reading, of `planColumns`, `planTimeContext` and `planEntities`, `missing_timestamp`, `insufficient_data`.
 */
export async function planTraining(
  parts: StepParts,
  settings: TrainSettings,
  { telemetry, session, facts }: Pick<Opened, 'telemetry' | 'session' | 'facts'>,
  wantsScores: boolean,
): Promise<TrainingPlan> {
  const requested = settings.detector ?? detectorSettings.parse({ type: 'isolation-forest' })
  const description = await telemetry.describe()
  if (description.rows !== null) requireRows(description.rows)
  const planned = planColumns(description, settings)
  refuseUnused(settings, planned, facts.format)
  const window = readWindow(settings.window)
  const { timestamp, entity } = planned.roles
  if (window && timestamp === null)
    throw new DeepWatchError('missing_timestamp', 'window: the source has no timestamp column.')
  const smoothing = smoothingColumns({ smoothing: settings.smoothing }, timestamp, entity)
  // A smoothed score tells its delay in seconds, too, where there is a time.
  const isSmoothed = requested.type === 'auto' || settings.smoothing !== undefined
  const columns = await withDoubts(telemetry, planned, description, window)
  const interval = columns.derived.length > 0 || (isSmoothed && timestamp !== null) ? { entity } : undefined
  const span = await telemetry.span({ timestamp: timestamp ?? undefined, window, interval })
  requireRows(span.rowsInWindow)
  const time = planTimeContext(settings, timestamp, span)
  const entities = settings.perEntity
    ? await planEntities(telemetry, description.columns, columns.roles, window, parts.maxEntities)
    : null
  const entityNames = await namesOfEntities(telemetry, planned, window)
  const heldBytes = 8 * span.rowsInWindow * (columns.features.length + maxColumnsBeside)
  const maxBytes = Math.min(maxRememberedBytes, parts.maxBytes / 4)
  // Rows of a JSON body are in memory already.
  const remembered = session && heldBytes <= maxBytes ? rememberBlocks(telemetry, maxBytes) : null
  return {
    settings,
    requested,
    seed: requested.seed ?? randomInt(2 ** 47),
    columns,
    missing: settings.missing ?? 'reject',
    window,
    span,
    time,
    entityNames,
    entities,
    telemetry: remembered ?? telemetry,
    remembered,
    beside: { ...smoothing, ...labelsBeside(columns.roles, wantsScores, remembered !== null) },
  }
}

/** Settings of reading that would do nothing: `unused_setting`. */
function refuseUnused(settings: TrainSettings, { roles }: ColumnPlan, format: SourceFacts['format']): void {
  const isJson = format === 'json' || format === 'ndjson'
  const unused: readonly (readonly [keyof TrainSettings, boolean, string])[] = [
    ['header', format !== 'csv', 'only CSV has a header'],
    ['flatten', !isJson, 'only NDJSON and JSON rows have nested objects'],
    ['timestampUnit', roles.timestamp === null, 'the source has no timestamp column'],
    ['timestampFormat', roles.timestamp === null, 'the source has no timestamp column'],
  ]
  const found = unused.find(([name, isUnused]) => isUnused && settings[name] !== undefined)
  if (found) throw new DeepWatchError('unused_setting', `${found[0]}: it would have no effect, as ${found[2]}.`)
}

/** Numbers that are looked at whether they only grow. */
const maxLookedAt = 512

/** The same plan, with warnings about features that measure nothing. */
async function withDoubts(
  telemetry: Telemetry,
  plan: ColumnPlan,
  description: Description,
  window: ReadWindow | undefined,
): Promise<ColumnPlan> {
  const { features, roles, warnings } = plan
  const numbers = features.filter(({ kind }) => kind === 'number').slice(0, maxLookedAt)
  const growing = await telemetry.growing({
    columns: numbers.map(({ name }) => name),
    entity: roles.entity ?? likelyEntity(description.columns),
    timestamp: roles.timestamp ?? undefined,
    window,
  })
  return { ...plan, warnings: [...warnings, ...doubtfulFeatures(features, growing)] }
}

/** Entities whose names a version keeps. */
const maxEntityNames = 1_000

async function namesOfEntities(
  telemetry: Telemetry,
  { roles: { entity, timestamp } }: ColumnPlan,
  window: ReadWindow | undefined,
): Promise<readonly string[] | null> {
  if (entity === null) return null
  const max = maxEntityNames + 1
  const found = await telemetry.entities({ entity, timestamp: timestamp ?? undefined, window, max })
  return found.length < max ? found.map(({ name }) => name).sort() : null
}

/** What judging the flags needs, or the report of the version, which no label makes fail. */
function labelsBeside({ label, timestamp, entity }: Roles, wantsScores: boolean, isRemembered: boolean): ExtraColumns {
  const judges = wantsScores && label !== null
  return {
    ...((wantsScores || isRemembered) && label !== null && { label, ...(!wantsScores && { labelUnchecked: true }) }),
    ...((isRemembered || judges) && timestamp !== null && { timestamp: true }),
    ...(judges && entity !== null && { entity: true }),
  }
}

function requireRows(rows: number): void {
  if (rows >= 2) return
  throw new DeepWatchError('insufficient_data', `Training needs at least 2 rows; there are ${rows}.`, {
    facts: { rows, needed: 2 },
  })
}

/**
 * Training, in order: find out what the columns mean, draw the samples and the profile in one pass, fit
 * on the threads, score every row once more for the threshold, save. The same seed and the same
 * telemetry give the same payload, in whatever format it came and however many threads worked.
 */
import { randomInt } from 'node:crypto'
import { type DetectorParams, detectors } from '../detectors/index.ts'
import { DeepWatchError } from '../errors.ts'
import { createGate } from '../flow.ts'
import { smoothingLanes } from '../history/index.ts'
import { varyingColumns } from '../kernels/models/index.ts'
import { encodeFleet } from '../kernels/scores/index.ts'
import type { FitEntitiesRequest } from '../pool/index.ts'
import type { ExtraLanes, Span } from '../reader/index.ts'
import type { Registry } from '../registry/index.ts'
import type { DerivedFeature, TrainSettings, VersionDocument } from '../schemas/index.ts'
import type { TrainingScoresKept } from '../scoring/index.ts'
import type { Source } from '../sources/index.ts'
import {
  type ColumnPlan,
  type Derived,
  describeDerived,
  historyQuery,
  type Opened,
  type OpenTelemetry,
  planColumns,
  readWindow,
} from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import { drawChosen } from './auto-training.ts'
import { describeFeatures, describeVersion, fitSettings } from './document.ts'
import { describeEntities, type EntitySamples, planEntities } from './entities.ts'
import { type Kept, type PassParts, passQuery, type ScoringPass, scoreTraining } from './pass.ts'
import { rememberBlocks } from './remembered.ts'
import type { TrainingRecord } from './report.ts'
import { drawSamples, type SamplePlan } from './samples.ts'
import { lineOf, planHabituation } from './threshold.ts'
import { planTimeContext } from './time.ts'

export interface TrainingParts extends PassParts {
  readonly open: OpenTelemetry
  readonly registry: Registry<VersionDocument>
  /** Bytes that one training may take for its samples and trees. */
  readonly mostBytes: number
  /** Entities that telemetry may have for a model per entity, and bytes that all of their models may take. */
  readonly mostEntities: number
  readonly entityModelBytes: number
  readonly software: string
  /** Begins the record from which a version's report is drawn. */
  readonly record: (work: Work) => Promise<TrainingRecord>
  readonly onTrained: (document: VersionDocument, seconds: number) => void
}

export interface Training {
  /** Whether a training would be refused now. */
  readonly saturated: boolean
  /**
   * Trains and saves the next version of a model; when it returns, the version is on disk and, unless
   * `serve` is false, serving. `upload` belongs to the caller.
   *
   * Errors: those of opening and reading a source, of `planColumns`, `missing_timestamp`,
   * `unused_setting`, `insufficient_data`, `too_many_missing`, `no_variance`, `training_too_large`,
   * `source_changed`, and those of `Registry.add`.
   */
  train(settings: TrainSettings, upload: Source | null, work: Work): Promise<VersionDocument>
  /**
   * Trains as `train` does and keeps the source open and the scores that its rows got, for what else is made of the same
   * telemetry (see `Scoring.score`). They belong to the caller, who closes them. Null when they could not be kept.
   */
  trainAndScore(settings: TrainSettings, upload: Source | null, work: Work): Promise<Trained>
}

/** A version and the scores of the rows it was trained on. */
export interface Trained {
  readonly document: VersionDocument
  readonly scores: TrainingScoresKept | null
}

/** Bytes of blocks that a training remembers instead of reading them again. */
const mostRemembered = 128 * 2 ** 20
/** Lanes of the time context, and of what is read beside the features. */
const mostLanesBeside = 8

const trainingsAtOnce = 2
const trainingsWaiting = 32

export function createTraining(parts: TrainingParts): Training {
  const gate = createGate(trainingsAtOnce, trainingsWaiting)
  const begin = (settings: TrainSettings, upload: Source | null, work: Work, keeping: boolean) => {
    work.progress?.begin('waiting', null)
    return gate.run(() => run(parts, settings, upload, work, keeping), work.signal)
  }
  return {
    get saturated() {
      return gate.saturated
    },
    trainAndScore: (settings, upload, work) => begin(settings, upload, work, true),
    async train(settings, upload, work) {
      return (await begin(settings, upload, work, false)).document
    },
  }
}

async function run(
  parts: TrainingParts,
  settings: TrainSettings,
  upload: Source | null,
  work: Work,
  keeping: boolean,
): Promise<Trained> {
  const started = performance.now()
  // Known before the work, so that nobody trains for minutes and is refused at the end.
  parts.registry.checkRoom(settings.model)
  const record = await parts.record(work)
  let opened: Opened | null = null
  let isKept = false
  try {
    opened = await parts.open(
      { ...settings, upload },
      { signal: work.signal, outputPath: keeping ? record.outputPath : undefined },
    )
    const trained = await trainOn(parts, settings, { opened, record, keeping }, work, started)
    isKept = trained.scores !== null
    const { document } = trained
    const seconds = (performance.now() - started) / 1000
    parts.onTrained(document, seconds)
    work.log?.info(
      {
        model: document.model,
        version: document.version,
        rows: document.training.rowsUsed,
        seconds: Number(seconds.toFixed(3)),
      },
      'trained',
    )
    return trained
  } finally {
    if (!isKept) await opened?.close()
    await record.close()
  }
}

async function trainOn(
  parts: TrainingParts,
  settings: TrainSettings,
  { opened, record, keeping }: Kept,
  work: Work,
  started: number,
): Promise<Trained> {
  const { telemetry } = opened
  const requested = fitSettings(settings)
  const isAuto = requested.type === 'auto'
  const description = await telemetry.describe()
  if (description.rows !== null) requireRows(description.rows)
  const plan = planColumns(description, settings)
  const window = readWindow(settings.window)
  const { timestamp } = plan.roles
  if (window && timestamp === null)
    throw new DeepWatchError('missing_timestamp', 'window: the source has no timestamp column.')
  const { entity } = plan.roles
  smoothingLanes({ smoothing: settings.smoothing }, timestamp, entity)
  // A smoothed score tells its delay in seconds, too, where there is a time.
  const asksForInterval =
    plan.derived.length > 0 || ((isAuto || settings.smoothing !== undefined) && timestamp !== null)
  const interval = asksForInterval ? { entity } : undefined
  const span = await telemetry.span({ timestamp: timestamp ?? undefined, window, interval })
  requireRows(span.rowsInWindow)
  const time = planTimeContext(settings, timestamp, span)
  const seed = requested.seed ?? randomInt(2 ** 47)
  const entities = settings.perEntity
    ? await planEntities(telemetry, description.columns, { entity, timestamp, window, most: parts.mostEntities })
    : null
  const mostKept = Math.min(mostRemembered, parts.mostBytes / 4)
  const isShort = 8 * span.rowsInWindow * (plan.features.length + mostLanesBeside) <= mostKept
  // Rows in memory need not be remembered.
  const remembered = opened.session && isShort ? rememberBlocks(telemetry, mostKept) : null
  const { label } = plan.roles
  const beside: ExtraLanes = {
    ...smoothingLanes({ smoothing: settings.smoothing }, timestamp, entity),
    // For who judges the flags, or for the report of the version, which no label makes fail.
    ...((keeping || remembered) && label !== null && { label, ...(!keeping && { labelUnchecked: true }) }),
    ...((remembered || (keeping && label !== null)) && timestamp !== null && { timestamp: true }),
    ...(keeping && label !== null && entity !== null && { entity: true }),
  }
  const draw = (fitted: DetectorParams, chosen: readonly DerivedFeature[]) => {
    const derived = describeAll(plan, chosen, span)
    const detector = detectors.get(fitted.type)!
    const samplePlan: SamplePlan = {
      columns: plan.features,
      derived,
      history: historyQuery(derived, entity, parts.historyBytes),
      named: settings.features !== undefined,
      time,
      timestamp,
      window,
      rowsInWindow: span.rowsInWindow,
      rule: settings.missing ?? 'reject',
      reservoirs: detector.reservoirs(fitted),
      entities,
      beside,
      entity,
      fitBytes: (features) => detector.mostBytes(fitted, features),
      mostBytes: parts.mostBytes,
      ahead: parts.ahead,
      seed,
    }
    return drawSamples(remembered ?? telemetry, parts.pool, samplePlan, work)
  }
  const auto = isAuto ? await drawChosen(draw, plan, span, requested.seed) : null
  const fitted = auto?.plan.detector ?? requested
  const detector = detectors.get(fitted.type)!
  const drawn = auto?.drawn ?? (await draw(fitted, []))
  const threshold = settings.threshold ?? auto?.plan.threshold ?? { contamination: 0.01 }
  const line = lineOf(threshold, detector.autoThreshold)
  const habituation = planHabituation(settings.habituation, auto?.plan.habituation ?? null, line, detector)
  const measured = drawn.derived.length > 0 ? drawn.columns.length : undefined
  const varying = varyingColumns(drawn.profile)
  if (varying.length === 0)
    throw new DeepWatchError('no_variance', 'Every feature has one value only; there is nothing to learn.')
  const shape = { rows: drawn.rowsUsed, features: drawn.lanes.length, measured }
  const { effective, warnings } = detector.resolve(fitted, shape)
  work.progress?.begin('fitting', null)
  const shared = await parts.pool.fit(
    {
      detector: detector.id,
      effective,
      seed,
      samples: drawn.samples,
      varying,
      deviations: drawn.profile.std,
    },
    { signal: work.signal, patient: true },
  )
  const own =
    drawn.entities &&
    (await fitEntities(parts, drawn.entities, { detector: detector.id, params: fitted, measured, seed }, work))
  const payload = own ? encodeFleet({ ...drawn.entities!, features: drawn.lanes.length, shared, models: own }) : shared
  const pass: ScoringPass = {
    steps: { smoothing: settings.smoothing, habituation },
    roles: plan.roles,
    threshold,
    line,
    drawn,
    payload,
    detector: detector.id,
  }
  const source = { ...opened, telemetry: remembered ?? telemetry }
  const scoring = scoreTraining(parts, { opened: source, record, keeping }, pass, work)
  scoring.catch(() => {})
  // By then the reading process has its command, and is busy with the first block.
  await new Promise(setImmediate)
  const features = describeFeatures(drawn)
  const scored = await scoring
  const document = describeVersion({
    version: 0,
    createdAt: '',
    software: parts.software,
    settings,
    threshold,
    guardsDerived: drawn.derived.length === 0 || (auto?.plan.guardsDerived ?? true),
    habituation,
    requested,
    choice: auto?.plan.choice,
    detector: detector.id,
    effective: { ...effective, seed },
    shape: detector.describe(shared),
    perEntity:
      own &&
      describeEntities(
        drawn.entities!,
        own.map((model) => model?.byteLength ?? 0),
      ),
    plan,
    time,
    drawn,
    features,
    span,
    scored,
    source: opened.facts,
    payload,
    seconds: (performance.now() - started) / 1000,
    warnings: warnings.map(({ code, detail }) => ({ code, message: detail })),
  })
  const { profileSample } = drawn
  const blocks = remembered && { telemetry: remembered, query: passQuery(pass) }
  await record.complete()
  const counting = record.count({ document, opened, span, blocks, window, profileSample }, work)
  counting.catch(() => {})
  // Whoever takes the scores over writes their table while they are counted.
  if (!keeping) await counting
  // Saving cannot be taken back: who left or cancelled before it gets no version.
  work.signal.throwIfAborted()
  const added = await parts.registry.add(
    settings.model,
    (version, createdAt) => ({ payload, document: { ...document, version, createdAt } }),
    { serve: settings.serve ?? true },
  )
  const scores = keeping ? record.handOver(added, counting, opened) : null
  if (scores === null) await record.keep(added, await counting)
  return { document: added, scores }
}

async function fitEntities(
  { pool, entityModelBytes }: TrainingParts,
  { names, samples }: EntitySamples,
  request: Pick<FitEntitiesRequest, 'detector' | 'params' | 'measured' | 'seed'>,
  { signal, progress }: Work,
): Promise<(Uint8Array | null)[]> {
  progress?.begin('fitting', names.length)
  return pool.fitEntities({ ...request, samples, mostBytes: entityModelBytes }, { signal, patient: true })
}

/** Everything that is derived, with what the columns and the steps between rows say. */
function describeAll(plan: ColumnPlan, chosen: readonly DerivedFeature[], span: Span): Derived[] {
  const byName = new Map(plan.features.map((column) => [column.name, column]))
  const all = [...plan.derived, ...chosen.map((feature) => ({ feature, column: byName.get(feature.column)! }))]
  return all.map(({ feature, column }) =>
    describeDerived(feature, { kind: column.kind as 'number' | 'boolean', type: column.type }, span.interval ?? null),
  )
}

function requireRows(rows: number): void {
  if (rows >= 2) return
  throw new DeepWatchError('insufficient_data', `Training needs at least 2 rows; there are ${rows}.`, {
    facts: { rows, needed: 2 },
  })
}

/**
 * Training: telemetry in, a version of a model out. Each step is a file:
 *
 *   plan -> samples -> fit -> scores, threshold -> document -> saved, with its report
 *
 * The same seed and the same telemetry give the same payload, in whatever format it came and however many threads worked.
 */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { createGate } from '../flow.ts'
import type { SourceReading } from '../reader/index.ts'
import type { Registry } from '../registry/index.ts'
import { defaultKeep, readingOf, type TrainSettings, type VersionDocument, type Warning } from '../schemas/index.ts'
import type { TrainingScoresKept } from '../scoring/index.ts'
import type { Source } from '../sources/index.ts'
import type { Opened, OpenTelemetry } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import { drawChosen } from './auto-samples.ts'
import { describeFeatures, describeVersion } from './document.ts'
import { fitModel } from './fit.ts'
import { planTraining, type StepParts } from './plan.ts'
import type { TrainingRecord } from './report.ts'
import { scoreTraining } from './scores.ts'
import { planJudging } from './threshold.ts'

export interface TrainingParts extends StepParts {
  readonly open: OpenTelemetry
  readonly registry: Registry<VersionDocument>
  readonly software: string
  /** Begins the record from which a version's report is drawn. */
  readonly record: (work: Work) => TrainingRecord
  /** Removes what is older than the newest `keep` versions of a model, and gives their numbers. */
  readonly expire: (model: string, keep: number) => Promise<readonly number[]>
  readonly onTrained: (document: VersionDocument, seconds: number) => void
}

interface Trained {
  readonly document: VersionDocument
  readonly scores: TrainingScoresKept | null
}

const trainingsAtOnce = 2
const trainingsWaiting = 32

export function createTraining(parts: TrainingParts) {
  const gate = createGate(trainingsAtOnce, trainingsWaiting)
  const begin = (settings: TrainSettings, upload: Source | null, work: Work, wantsScores: boolean) => {
    work.progress?.begin('waiting', null)
    return gate.run(() => openAndTrain(parts, settings, upload, work, wantsScores), work.signal)
  }
  return {
    /** Whether a training would be refused now. */
    get saturated(): boolean {
      return gate.saturated
    },
    /**
     * Trains and saves the next version of a model, durably; then removes older versions than `keep`, which a warning names.
     * `upload` belongs to the caller.
     *
     * Errors: those of opening and reading a source, of `planColumns`, `missing_timestamp`, `unused_setting`, `insufficient_data`,
     * `too_many_missing`, `no_variance`, `training_too_large`, `source_changed`, and those of `Registry.add`.
     */
    async train(settings: TrainSettings, upload: Source | null, work: Work): Promise<VersionDocument> {
      const { document } = await begin(settings, upload, work, false)
      const removed = await parts.expire(document.model, settings.keep ?? defaultKeep)
      return removed.length === 0 ? document : { ...document, warnings: [...document.warnings, toldRemoved(removed)] }
    },
    /**
     * Trains as `train` does, and hands over the open source and the scores of its rows, so that they are not computed again
     * (see `Scoring.score`). They belong to the caller, who closes them. Null when the scores could not be written.
     */
    trainAndScore(settings: TrainSettings, upload: Source | null, work: Work): Promise<Trained> {
      return begin(settings, upload, work, true)
    },
  }
}

async function openAndTrain(
  parts: TrainingParts,
  settings: TrainSettings,
  upload: Source | null,
  work: Work,
  wantsScores: boolean,
): Promise<Trained> {
  const started = performance.now()
  // Known before the work, so that nobody trains for minutes and is refused at the end.
  parts.registry.checkRoom(settings.model)
  const record = parts.record(work)
  let opened: Opened | null = null
  let isHandedOver = false
  try {
    const outputPath = wantsScores ? record.outputPath : undefined
    opened = await parts.open(
      { ...settings, upload },
      { signal: work.signal, outputPath, reading: trainingReading(settings) },
    )
    const trained = await train(parts, settings, { opened, record, wantsScores, started }, work)
    isHandedOver = trained.scores !== null
    const { model, version, training } = trained.document
    const seconds = secondsSince(started)
    parts.onTrained(trained.document, seconds)
    work.log?.info({ model, version, rows: training.rowsUsed, seconds: Number(seconds.toFixed(3)) }, 'trained')
    return trained
  } finally {
    if (!isHandedOver) await opened?.close()
    await record.close()
  }
}

/** The steps, in order. Each takes what the ones before it returned. At the end the version is saved, and its report kept beside it. */
async function train(
  parts: TrainingParts,
  settings: TrainSettings,
  {
    opened,
    record,
    wantsScores,
    started,
  }: { opened: Opened; record: TrainingRecord; wantsScores: boolean; started: number },
  work: Work,
): Promise<Trained> {
  const plan = await planTraining(parts, settings, opened, wantsScores)
  const { choice, drawn } = await drawChosen(parts, plan, work)
  const judging = planJudging(settings, choice)
  const fitted = await fitModel(parts, plan, drawn, choice.detector, work)
  const before = { plan, drawn, judging, fitted }
  const [scored, features] = await Promise.all([
    scoreTraining(parts, before, record, wantsScores, work),
    // The profiles are sorted while the first blocks are read.
    nextTurn().then(() => describeFeatures(drawn)),
  ])
  const seconds = secondsSince(started)
  const facts = { choice, features, scored, source: opened.facts, software: parts.software, seconds }
  const document = describeVersion({ ...before, ...facts })
  await record.complete()
  const counting = record.count({ document, opened, plan, drawn, query: scored.query }, work)
  counting.catch(() => {})
  // Who takes the scores over writes their table while they are counted.
  if (!wantsScores) await counting
  // Saving cannot be undone: an aborted request or a cancelled job gets no version.
  work.signal.throwIfAborted()
  const { model, serve = true } = settings
  const { payload } = fitted
  const build = (version: number, createdAt: string) => ({ payload, document: { ...document, version, createdAt } })
  const added = await parts.registry.add(model, build, { serve })
  const scores = wantsScores ? record.handOver(added, counting, opened) : null
  if (scores === null) await record.keep(added, await counting)
  return { document: added, scores }
}

const namedVersions = 20

function toldRemoved(versions: readonly number[]): Warning {
  const more = versions.length - namedVersions
  const named = versions.slice(0, namedVersions).join(', ') + (more > 0 ? ` and ${more} more` : '')
  const what = versions.length === 1 ? `The version ${named} was` : `The versions ${named} were`
  return {
    code: 'versions_removed',
    message: `${what} removed, as newer ones took their place; keep says how many stay.`,
  }
}

function trainingReading(settings: TrainSettings): SourceReading {
  const { timestamp, entity, features } = settings
  const named = features?.map((feature) => (typeof feature === 'string' ? feature : feature.column))
  return { ...readingOf(settings), timestamp, entity, features: named }
}

const secondsSince = (started: number) => (performance.now() - started) / 1000

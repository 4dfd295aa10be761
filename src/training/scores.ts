/** Fourth step of a training: every row is scored once, in blocks, for the threshold, the histogram and the report. */
import { randomInt } from 'node:crypto'
import { DeepWatchError } from '../errors.ts'
import { inOrder } from '../flow.ts'
import {
  changesScores,
  historyMarks,
  markHistory,
  type ScoreSteps,
  smoothInOrder,
  smoothingColumns,
  smoothSource,
} from '../history/index.ts'
import { shareBytes } from '../kernels/index.ts'
import { createScoreHistogram } from '../kernels/scores/index.ts'
import type { FeatureQuery } from '../reader/index.ts'
import { placesOf } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import type { Fitted } from './fit.ts'
import type { StepParts, TrainingPlan } from './plan.ts'
import type { TrainingRecord } from './report.ts'
import type { Drawn } from './samples.ts'
import { finishSearch, type Judging, searchThreshold } from './threshold.ts'

export interface Before {
  readonly plan: TrainingPlan
  readonly drawn: Drawn
  readonly judging: Judging
  readonly fitted: Fitted
}

export type TrainingScores = Awaited<ReturnType<typeof scoreTraining>>

/**
 * Gives the histogram and the threshold, and the query of what was read for them.
 * @param record takes the scores, and the labels where they are wanted beside the version
 * Errors: those of reading and of the pool, and `source_changed` when the source brings other rows than it did for the samples.
 */
export async function scoreTraining(
  parts: StepParts,
  { plan, drawn, judging, fitted }: Before,
  record: TrainingRecord,
  wantsLabels: boolean,
  { signal, progress }: Work,
) {
  const steps: ScoreSteps = { smoothing: plan.settings.smoothing, habituation: judging.habituation }
  const query = passQuery(plan, drawn, steps)
  const places = placesOf(drawn.features.length, query.extra ?? {})
  const model = modelOf(drawn, fitted)
  const histogram = createScoreHistogram()
  const search = searchThreshold(judging, drawn.rowsUsed)
  let rowsOutOfOrder = 0
  progress?.begin('scoring', drawn.rowsUsed + drawn.rowsLeftOut + drawn.rowsWithoutHistory)
  const blocks = inOrder(plan.telemetry.features(query), parts.ahead, async (piece) => {
    try {
      const result = await parts.pool.score(model, piece.block, { signal, patient: true })
      if (places.history !== null) markHistory(piece, places.history, result)
      return { piece, result }
    } catch (error) {
      piece.release()
      throw error
    }
  })
  const smoothed = changesScores(steps)
    ? smoothInOrder(blocks, smoothSource(steps, judging.fixed ?? 1, places, parts.historyBytes))
    : blocks
  for await (const { piece, result } of smoothed) {
    const { scores, flags } = result
    if (wantsLabels) record.labels.add(piece, places)
    piece.release()
    if (places.history !== null) for (const mark of flags) if (mark === historyMarks.late) rowsOutOfOrder++
    histogram.add(scores)
    search.offer(scores)
    await record.add(scores)
    progress?.advance(scores.length)
    result.release?.()
  }
  if (histogram.total !== drawn.rowsUsed)
    throw new DeepWatchError('source_changed', 'The second reading of the source brought other rows than the first.')
  const threshold = await finishSearch(search, record, signal)
  return { histogram, threshold, rowsOutOfOrder, query }
}

/** The rows of the samples, and what smoothing and habituation need beside. */
function passQuery({ columns }: TrainingPlan, { query, entities }: Drawn, steps: ScoreSteps): FeatureQuery {
  const { timestamp, entity } = columns.roles
  return {
    ...query,
    entity: entity ?? undefined,
    entities: entities?.names,
    extra: { ...(entities && { entity: true }), ...query.extra, ...smoothingColumns(steps, timestamp, entity) },
  }
}

function modelOf({ features, entities, fill }: Drawn, { detector, payload }: Fitted) {
  const shared = shareBytes(payload.byteLength)
  new Uint8Array(shared).set(payload)
  return {
    key: `training-${randomInt(2 ** 47)}`,
    detector,
    payload: shared,
    features: features.length,
    entities: entities?.names.length,
    fill,
  }
}

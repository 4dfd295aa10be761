/** The second pass of a training: every row is scored once, in blocks, for the threshold, the histogram and what is kept of it. */
import { randomInt } from 'node:crypto'
import { DeepWatchError } from '../errors.ts'
import { inOrder } from '../flow.ts'
import {
  changesScores,
  historyMarks,
  markHistory,
  type ScoreSteps,
  smoothInOrder,
  smoothingLanes,
  smoothSource,
} from '../history/index.ts'
import { shareBytes } from '../kernels/index.ts'
import { createScoreHistogram, type FoundThreshold, type TopScores } from '../kernels/scores/index.ts'
import type { Pool } from '../pool/index.ts'
import type { FeatureQuery } from '../reader/index.ts'
import type { Roles } from '../schemas/index.ts'
import { type Opened, placesOf } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import type { ThresholdRule, TrainingScores } from './document.ts'
import type { TrainingRecord } from './report.ts'
import type { Drawn } from './samples.ts'
import { searchThreshold } from './threshold.ts'

/** What a training holds open. */
export interface Kept {
  readonly opened: Opened
  readonly record: TrainingRecord
  /** Whether its scores are wanted beside its version. */
  readonly keeping: boolean
}

export interface PassParts {
  readonly pool: Pool
  /** Bytes that the windows of all entities may take. */
  readonly historyBytes: number
  /** Blocks under way at once. */
  readonly ahead: number
}

/** What is scored, and with what. */
export interface ScoringPass {
  readonly steps: ScoreSteps
  readonly roles: Roles
  readonly threshold: ThresholdRule
  /** See `lineOf`. */
  readonly line: number | null
  readonly drawn: Drawn
  readonly payload: Uint8Array
  readonly detector: string
}

/** What the second pass reads: the rows of the samples, and what its steps need beside. */
export function passQuery({ drawn, steps, roles }: ScoringPass): FeatureQuery {
  return {
    ...drawn.query,
    entity: roles.entity ?? undefined,
    entities: drawn.entities?.names,
    lanes: {
      ...(drawn.entities && { entity: true }),
      ...drawn.query.lanes,
      ...smoothingLanes(steps, drawn.query.timestamp ?? null, roles.entity),
    },
  }
}

/**
 * Scores every training row once.
 * Errors: those of reading and of the pool, and `source_changed` when the source brings other rows than it did for the samples.
 */
export async function scoreTraining(
  parts: PassParts,
  { opened, record, keeping }: Kept,
  pass: ScoringPass,
  { signal, progress }: Work,
): Promise<TrainingScores> {
  const { drawn, payload } = pass
  const shared = shareBytes(payload.byteLength)
  new Uint8Array(shared).set(payload)
  const model = {
    key: `training-${randomInt(2 ** 47)}`,
    detector: pass.detector,
    payload: shared,
    features: drawn.lanes.length,
    entities: drawn.entities?.names.length,
    fill: drawn.fill,
  }
  const histogram = createScoreHistogram()
  const search = searchThreshold(pass.threshold, pass.line, drawn.rowsUsed)
  const { steps } = pass
  const query = passQuery(pass)
  const places = placesOf(drawn.lanes.length, query.lanes ?? {})
  let rowsOutOfOrder = 0
  progress?.begin('scoring', drawn.rowsUsed + drawn.rowsLeftOut + drawn.rowsWithoutHistory)
  const blocks = inOrder(opened.telemetry.features(query), parts.ahead, async (piece) => {
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
    ? smoothInOrder(blocks, smoothSource(steps, pass.line ?? 1, places, parts.historyBytes))
    : blocks
  for await (const { piece, result } of smoothed) {
    const { scores, flags } = result
    if (keeping) record.hold(piece, places)
    piece.release()
    for (const mark of places.history === null ? [] : flags) if (mark === historyMarks.late) rowsOutOfOrder++
    histogram.add(scores)
    search.offer(scores)
    await record.add(scores)
    progress?.advance(scores.length)
    result.release?.()
  }
  if (histogram.total !== drawn.rowsUsed)
    throw new DeepWatchError('source_changed', 'The second reading of the source brought other rows than the first.')
  return { histogram, threshold: await finishSearch(search, record, signal), rowsOutOfOrder }
}

/**
 * The threshold, for which the scores are brought again as often as they are asked for; where they cannot be read, what is known of it.
 * Throws the signal's reason.
 */
export async function finishSearch(
  search: TopScores,
  record: Pick<TrainingRecord, 'complete' | 'bringAgain'>,
  signal: AbortSignal,
): Promise<FoundThreshold> {
  let found = search.finish()
  while (found === null) {
    await record.complete()
    const isWhole = await record.bringAgain(search.offer, signal)
    signal.throwIfAborted()
    found = isWhole ? search.finish() : search.settle()
  }
  return found
}

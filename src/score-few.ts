/** The short way of a few rows that came as JSON: one block, one call of the pool, and nothing to stream. */
import { entityModelsOf } from './entity-models.ts'
import { blockOfFewRows } from './few-rows.ts'
import type { Block } from './kernels/block.ts'
import type { Pool, ScoringModel } from './pool.ts'
import type { ModelHandle } from './registry.ts'
import type { VersionDocument } from './schemas/model.ts'
import type { ScoreSettings } from './schemas/score.ts'
import { ScoreAccount, type ScoringEnd } from './score-account.ts'
import { factsOfFew, type ScoredBlock, scoredBlock } from './scored-block.ts'
import { planVersion, type VersionPlan } from './version-plan.ts'
import type { Work } from './work.ts'

/** Few rows scored: everything at once, with nothing to wait for any more. */
export interface FewScored extends ScoringEnd {
  readonly block: ScoredBlock
}

/** As `scoreStream`, for rows that `fewRowsOf` made a block of. */
export async function scoreFew(
  pool: Pool,
  handle: ModelHandle<VersionDocument>,
  block: Block<ArrayBuffer>,
  work: Work,
): Promise<FewScored> {
  const plan = planVersion(handle.document)
  const { progress } = work
  const account = new ScoreAccount(handle)
  progress?.begin('scoring', block.rows)
  const result = await pool.score(scoringModel(handle, plan), block, {
    givenUp: () => (work.givenUp ? work.givenUp() : work.signal.reason),
  })
  account.enter(block.rows, result)
  progress?.advance(block.rows)
  return { block: scoredBlock(handle.document, plan, factsOfFew(block.rows), block, result), ...account.close() }
}

/** The rows of a request as one block, where nothing but the rows themselves has to be looked at; otherwise null. */
export function fewRowsOf(
  { document }: ModelHandle<VersionDocument>,
  { rows, timestamp, entity, label, window, include }: Omit<ScoreSettings, 'return'>,
): Block<ArrayBuffer> | null {
  if (!rows || (timestamp ?? entity ?? label ?? window ?? include) !== undefined) return null
  const plan = planVersion(document)
  return plan.isRowWise ? blockOfFewRows(rows, plan, document.roles) : null
}

/** What the pool needs of a version. */
export function scoringModel(handle: ModelHandle<VersionDocument>, plan: VersionPlan): ScoringModel {
  const { digest, document, payload } = handle
  const { guards, fill, names } = plan
  const entities = entityModelsOf(handle)?.names.length
  return { key: digest, detector: document.detector.type, payload, features: names.length, entities, fill, guards }
}

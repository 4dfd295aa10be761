/** Scores a small batch: one block, one call of the pool, and nothing to stream. */
import type { Block } from '../kernels/index.ts'
import type { ScoredCounts } from '../observe/index.ts'
import type { Pool, ScoringModel } from '../pool/index.ts'
import { entityModelsOf, type ModelHandle } from '../registry/index.ts'
import type { ScoreSummary, VersionDocument } from '../schemas/index.ts'
import { plainFacts } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import { ScoreAccount } from './account.ts'
import { type ScoredBlock, ScoredRows } from './scored-block.ts'
import { planVersion, type VersionPlan } from './version-plan.ts'

/** A scored small batch: everything at once, with nothing to wait for any more. */
export interface ScoredBatch {
  readonly block: ScoredBlock
  readonly summary: ScoreSummary
}

export interface ScoreBatchParts {
  readonly pool: Pool
  readonly onScored: (model: string, version: number, counts: ScoredCounts) => void
}

/** As `scoreStream`, for rows that `smallBatchOf` made a block of; they are counted once they are scored. */
export async function scoreSmallBatch(
  { pool, onScored }: ScoreBatchParts,
  handle: ModelHandle<VersionDocument>,
  block: Block<ArrayBuffer>,
  work: Work,
): Promise<ScoredBatch> {
  const plan = planVersion(handle.document)
  const { progress } = work
  const account = new ScoreAccount(handle)
  progress?.begin('scoring', block.rows)
  const result = await pool.score(scoringModel(handle, plan), block, {
    givenUp: () => (work.givenUp ? work.givenUp() : work.signal.reason),
  })
  account.enter(block.rows, result)
  progress?.advance(block.rows)
  const { summary, counts } = account.close()
  onScored(handle.name, handle.version, counts)
  return { block: new ScoredRows(plan, plainFacts(block.rows), block, result), summary }
}

/** What the pool needs of a version. */
export function scoringModel(handle: ModelHandle<VersionDocument>, plan: VersionPlan): ScoringModel {
  const { digest, document, payload } = handle
  const { guards, fill, names } = plan
  const entities = entityModelsOf(handle)?.names.length
  return { key: digest, detector: document.detector.type, payload, features: names.length, entities, fill, guards }
}

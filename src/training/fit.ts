/** Third step of a training: the model, and with a model per entity those of the entities, are fitted on the threads. */
import { type DetectorParams, detectors, type EffectiveSettings, type ModelShape } from '../detectors/index.ts'
import { DeepWatchError } from '../errors.ts'
import { varyingColumns } from '../kernels/models/index.ts'
import { encodeFleet } from '../kernels/scores/index.ts'
import type { VersionDocument, Warning } from '../schemas/index.ts'
import type { Work } from '../work.ts'
import { describeEntities } from './entities.ts'
import type { StepParts, TrainingPlan } from './plan.ts'
import type { Drawn } from './samples.ts'

export interface Fitted {
  readonly detector: string
  readonly effective: EffectiveSettings
  /** The detector's bytes, those of all entities included. */
  readonly payload: Uint8Array
  readonly shape: ModelShape
  /** What is told of the models of entities; null without. */
  readonly perEntity: VersionDocument['perEntity'] | null
  readonly warnings: readonly Warning[]
}

/** Errors: `no_variance` and those of the pool. */
export async function fitModel(
  { pool, entityModelBytes }: StepParts,
  { seed }: TrainingPlan,
  drawn: Drawn,
  params: DetectorParams,
  { signal, progress }: Work,
): Promise<Fitted> {
  const { profile, samples, entities, measured } = drawn
  const varying = varyingColumns(profile)
  if (varying.length === 0)
    throw new DeepWatchError('no_variance', 'Every feature has one value only; there is nothing to learn.')
  const detector = detectors.get(params.type)!
  const features = drawn.features.length
  const { effective, warnings } = detector.resolve(params, { rows: drawn.rowsUsed, features, measured })
  progress?.begin('fitting', null)
  const shared = await pool.fit(
    { detector: detector.id, effective, seed, samples, varying, deviations: profile.std },
    { signal, patient: true },
  )
  const fitted = {
    detector: detector.id,
    effective,
    shape: detector.describe(shared),
    warnings: warnings.map(({ code, detail }) => ({ code, message: detail })),
  }
  if (entities === null) return { ...fitted, payload: shared, perEntity: null }
  progress?.begin('fitting', entities.names.length)
  const models = await pool.fitEntities(
    { detector: detector.id, params, measured, seed, samples: entities.samples, maxBytes: entityModelBytes },
    { signal, patient: true },
  )
  return {
    ...fitted,
    payload: encodeFleet({ ...entities, features, shared, models }),
    perEntity: describeEntities(
      entities,
      models.map((model) => model?.byteLength ?? 0),
    ),
  }
}

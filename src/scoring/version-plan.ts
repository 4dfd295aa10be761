/** What scoring takes from a version's document and no request changes: worked out once, and kept as long as the document. */
import { changesScores } from '../history/index.ts'
import type { Guards } from '../kernels/scores/index.ts'
import type { FeatureColumn } from '../reader/index.ts'
import type { VersionDocument } from '../schemas/index.ts'
import { createTimeContext, featureColumns, isDerived, type TimeContext } from '../telemetry/index.ts'
import { guardsOf } from './telemetry-guards.ts'

export interface VersionPlan {
  /** Of the features, in order. */
  readonly names: readonly string[]
  readonly lanes: readonly FeatureColumn[]
  /** The lane of every feature that is a column as it stands. */
  readonly laneOf: ReadonlyMap<string, number>
  readonly guards: Guards | null
  /** Training median per feature; null where rows that lack a value are not scored. */
  readonly fill: Float64Array | null
  /** Null for a version that was trained without the zone of its times. */
  readonly timeContext: TimeContext | null
  /** A row's score depends on its features alone: not on its entity, and not on rows before it. */
  readonly isRowWise: boolean
}

const plans = new WeakMap<VersionDocument, VersionPlan>()

/** The plan of a version. Documents of the registry are frozen. */
export function planVersion(document: VersionDocument): VersionPlan {
  const known = plans.get(document)
  if (known) return known
  const { features, missing, timeContext } = document
  const lanes = featureColumns(features)
  const columns = lanes.flatMap((lane, index): [string, number][] => ('kind' in lane ? [[lane.name, index]] : []))
  const plan: VersionPlan = {
    names: features.map(({ name }) => name),
    lanes,
    laneOf: new Map(columns),
    guards: guardsOf(document),
    fill: missing.fill ? Float64Array.from(missing.fill) : null,
    timeContext: timeContext.transitions ? createTimeContext(timeContext.transitions) : null,
    isRowWise: !changesScores(document) && !document.perEntity && !features.some(isDerived),
  }
  plans.set(document, plan)
  return plan
}

/** What scoring takes from a version's document and no request changes: worked out once, and kept as long as the document. */
import { changesScores } from '../history/index.ts'
import type { Guards } from '../kernels/scores/index.ts'
import type { ScoringModel } from '../pool/index.ts'
import type { FeatureColumn } from '../reader/index.ts'
import { entityModelsOf, type ModelHandle } from '../registry/index.ts'
import type { VersionDocument } from '../schemas/index.ts'
import { createTimeContext, featureColumns, isDerived, type TimeContext } from '../telemetry/index.ts'

export interface VersionPlan {
  /** Of the features, in order. */
  readonly names: readonly string[]
  readonly features: readonly FeatureColumn[]
  /** The place of every feature that is a column as it stands. */
  readonly placeOf: ReadonlyMap<string, number>
  readonly guards: Guards | null
  /** Training median per feature; null where rows that lack a value are not scored. */
  readonly fill: Float64Array | null
  /** Null for a version that was trained without the zone of its times. */
  readonly timeContext: TimeContext | null
  /** A row's score depends on its features alone: not on its entity, and not on rows before it; and its values are what they are. */
  readonly isRowWise: boolean
}

const plans = new WeakMap<VersionDocument, VersionPlan>()

/** The plan of a version. Documents of the registry are frozen. */
export function planVersion(document: VersionDocument): VersionPlan {
  const known = plans.get(document)
  if (known) return known
  const { missing, timeContext } = document
  const features = featureColumns(document.features)
  const places = features.flatMap((feature, place): [string, number][] =>
    'kind' in feature ? [[feature.name, place]] : [],
  )
  const plan: VersionPlan = {
    names: document.features.map(({ name }) => name),
    features,
    placeOf: new Map(places),
    guards: guardsOf(document),
    fill: missing.fill ? Float64Array.from(missing.fill) : null,
    timeContext: timeContext.transitions ? createTimeContext(timeContext.transitions) : null,
    isRowWise:
      !changesScores(document) && !document.perEntity && !document.reading && !document.features.some(isDerived),
  }
  plans.set(document, plan)
  return plan
}

/** The trained range of every feature but the time context; null without guards. `auto` may leave derived features out. */
export function guardsOf({ features, guards }: VersionDocument): Guards | null {
  if (!guards) return null
  const isGuarded = (kind: string) => kind !== 'timeContext' && (kind !== 'derived' || guards.derived !== false)
  const bound = (edge: 'min' | 'max', none: number) =>
    Float64Array.from(features, ({ kind, profile }) => (isGuarded(kind) ? (profile[edge] ?? none) : none))
  return {
    min: bound('min', Number.NEGATIVE_INFINITY),
    max: bound('max', Number.POSITIVE_INFINITY),
    level: guards.level,
  }
}

/** What the pool needs of a version. */
export function scoringModel(handle: ModelHandle<VersionDocument>, plan: VersionPlan): ScoringModel {
  const { digest, document, payload } = handle
  const { guards, fill, names } = plan
  const entities = entityModelsOf(handle)?.names.length
  return { key: digest, detector: document.detector.type, payload, features: names.length, entities, fill, guards }
}

/** Writes down what a training did: the version document. */
import { createHash } from 'node:crypto'
import type { EffectiveSettings, ModelShape } from '../detectors/index.ts'
import { describeSmoothing } from '../history/index.ts'
import { quantiles } from '../kernels/models/index.ts'
import { type FoundThreshold, type ScoreHistogram, scoreBins } from '../kernels/scores/index.ts'
import type { FeatureLane, Span } from '../reader/index.ts'
import {
  type Choice,
  detectorSettings,
  type Feature,
  type FeatureProfile,
  type TrainSettings,
  type VersionDocument,
  type Warning,
} from '../schemas/index.ts'
import type { ColumnPlan, SourceFacts } from '../telemetry/index.ts'
import { formatTimestamp } from '../time/index.ts'
import { type Drawn, laneName } from './samples.ts'
import type { TimeContextPlan } from './time.ts'

/** The detector settings of a request with every default filled in; the plain forest when it names none. */
export function fitSettings(settings: Pick<TrainSettings, 'detector'>) {
  return settings.detector ?? detectorSettings.parse({ type: 'isolation-forest' })
}

const encoding =
  'hour is the local second of day on a circle: hour_sin, hour_cos = sin, cos of 2*pi*second/86400; dayOfWeek is the local day on a circle: day_of_week_sin, day_of_week_cos = sin, cos of 2*pi*day/7, Monday = 0'

/** The training scores: their histogram and the threshold that follows from them. */
export interface TrainingScores {
  readonly histogram: ScoreHistogram
  readonly threshold: FoundThreshold
  readonly rowsOutOfOrder: number
}

/** How the threshold is found. */
export type ThresholdRule = NonNullable<TrainSettings['threshold']>

/** What `describeVersion` needs to know. */
export interface VersionFacts {
  readonly version: number
  readonly createdAt: string
  readonly software: string
  readonly settings: TrainSettings
  readonly threshold: ThresholdRule
  /** Whether guards watch what is derived, too. */
  readonly guardsDerived: boolean
  readonly habituation: NonNullable<VersionDocument['habituation']> | null
  readonly requested: ReturnType<typeof fitSettings>
  /** What the settings left open, and what was chosen. */
  readonly choice: readonly Choice[] | undefined
  /** Id of the detector that was fitted. */
  readonly detector: string
  readonly effective: EffectiveSettings
  readonly shape: ModelShape
  /** With a model per entity what is told of them. */
  readonly perEntity: VersionDocument['perEntity'] | null
  readonly plan: ColumnPlan
  readonly time: TimeContextPlan
  readonly drawn: Drawn
  /** From `describeFeatures`. */
  readonly features: readonly Feature[]
  readonly span: Span
  readonly scored: TrainingScores
  readonly source: SourceFacts
  readonly payload: Uint8Array
  readonly seconds: number
  readonly warnings: readonly Warning[]
}

/** The version document: plain JSON data, complete. */
export function describeVersion(facts: VersionFacts): VersionDocument {
  const { settings, drawn, features, time, span, scored } = facts
  const { value, exact, above } = scored.threshold
  return {
    model: settings.model,
    version: facts.version,
    createdAt: facts.createdAt,
    software: facts.software,
    detector: {
      type: facts.detector,
      settings: facts.requested,
      effective: facts.effective,
      ...(facts.choice && { choice: [...facts.choice] }),
      shape: { ...facts.shape },
    },
    features: [...features],
    roles: facts.plan.roles,
    timeContext: {
      features: [...time.features],
      timeZone: time.timeZone,
      encoding,
      leftOut: [...time.leftOut],
      transitions: time.transitions && { utc: [...time.transitions.utc], offset: [...time.transitions.offset] },
    },
    missing: { rule: settings.missing ?? 'reject', fill: drawn.fill && [...drawn.fill] },
    threshold: {
      value,
      rule: facts.threshold,
      exact,
      flaggedRows: above,
      flaggedShare: above / drawn.rowsUsed,
    },
    guards: settings.guards === false ? null : { level: value, ...(!facts.guardsDerived && { derived: false }) },
    ...(facts.perEntity && { perEntity: facts.perEntity }),
    ...(settings.smoothing && {
      smoothing: describeSmoothing(settings.smoothing.window, value, scored.histogram.counts, span.interval ?? null),
    }),
    ...(facts.habituation && { habituation: facts.habituation }),
    scores: { bins: scoreBins, counts: [...scored.histogram.counts] },
    training: {
      source: { ...facts.source, files: [...facts.source.files] },
      fingerprint: fingerprint(drawn),
      rows: span.rows,
      window: settings.window ?? null,
      rowsInWindow: span.rowsInWindow,
      rowsUsed: drawn.rowsUsed,
      rowsLeftOut: drawn.rowsLeftOut,
      rowsFilled: drawn.rowsFilled,
      ...(drawn.derived.length > 0 && {
        rowsWithoutHistory: drawn.rowsWithoutHistory - scored.rowsOutOfOrder,
        rowsOutOfOrder: scored.rowsOutOfOrder,
      }),
      from: span.from === null ? null : formatTimestamp(span.from),
      to: span.to === null ? null : formatTimestamp(span.to),
      seconds: facts.seconds,
    },
    payload: { bytes: facts.payload.byteLength, sha256: createHash('sha256').update(facts.payload).digest('hex') },
    warnings: [
      ...facts.plan.warnings,
      ...drawn.warnings,
      ...historyWarnings(facts),
      ...constantWarning(features),
      ...facts.warnings,
    ],
  }
}

/** Features with their profiles, which takes sorting the profile's sample. */
export function describeFeatures(drawn: Drawn): Feature[] {
  return drawn.lanes.map((lane, index) => describeFeature(drawn, lane, index))
}

function describeFeature(drawn: Drawn, lane: FeatureLane, index: number): Feature {
  const profile = describeProfile(drawn, index)
  if ('timeContext' in lane)
    return { name: laneName(lane), kind: 'timeContext', timeContext: lane.timeContext, profile }
  if ('derived' in lane) return { ...drawn.derived[lane.derived]!, profile }
  return { name: lane.name, kind: lane.kind, type: drawn.columns[index]!.type, profile }
}

function describeProfile({ profile, profileSample }: Drawn, index: number): FeatureProfile {
  const finite = profile.finite[index]!
  const known = (value: number) => (finite > 0 ? value : null)
  const [p01, p05, p25, p50, p75, p95, p99] = quantiles(
    profileSample,
    index,
    [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99],
  ) as [number, number, number, number, number, number, number]
  return {
    finite,
    missing: profile.missing[index]!,
    infinite: profile.infinite[index]!,
    min: known(profile.min[index]!),
    max: known(profile.max[index]!),
    mean: known(profile.mean[index]!),
    std: known(profile.std[index]!),
    quantiles: Number.isNaN(p50) ? null : { p01, p05, p25, p50, p75, p95, p99 },
    constant: finite > 0 && profile.min[index] === profile.max[index],
    nearConstant: p01 === p99 && profile.min[index]! < profile.max[index]!,
  }
}

function historyWarnings({ drawn, scored, span }: VersionFacts): Warning[] {
  const warnings: Warning[] = []
  const lacking = drawn.rowsWithoutHistory - scored.rowsOutOfOrder
  const all = `of ${span.rowsInWindow} rows`
  if (lacking > 0)
    warnings.push({
      code: 'rows_without_history',
      message: `${lacking} ${all} have too little history for a derived feature and were left out.`,
    })
  if (scored.rowsOutOfOrder > 0)
    warnings.push({
      code: 'rows_out_of_order',
      message: `${scored.rowsOutOfOrder} ${all} come after a later row of their entity and were left out.`,
    })
  return warnings
}

function constantWarning(features: readonly Feature[]): Warning[] {
  const names = features.filter((feature) => feature.profile.constant).map((feature) => feature.name)
  if (names.length === 0) return []
  return [
    {
      code: 'constant_features',
      message: 'Features with one value only tell no rows apart: only the guards see a change in them.',
      columns: names.slice(0, 1000),
    },
  ]
}

/**
 * A digest of what training saw. It rests on the profile of every row and on a sample that does not
 * depend on the seed, not on files: the same telemetry as CSV or as Parquet has the same fingerprint.
 */
function fingerprint({ lanes, profile, profileSample, rowsUsed }: Drawn): string {
  const hash = createHash('sha256').update(JSON.stringify([lanes, rowsUsed, profile.rows]))
  for (const part of [
    profile.finite,
    profile.missing,
    profile.infinite,
    profile.min,
    profile.max,
    profile.mean,
    profile.std,
  ])
    hash.update(part)
  return hash.update(profileSample.values).digest('hex')
}

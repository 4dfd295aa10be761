/** Fifth step of a training: what it did, written down as the version document. */
import { createHash } from 'node:crypto'
import { describeSmoothing } from '../history/index.ts'
import { quantiles } from '../kernels/models/index.ts'
import { scoreBins } from '../kernels/scores/index.ts'
import type { Feature, FeatureProfile, VersionDocument, Warning } from '../schemas/index.ts'
import { nameList, type SourceFacts } from '../telemetry/index.ts'
import { formatTimestamp, isOldZoneTable, zoneTable } from '../time/index.ts'
import type { Choice } from './auto-samples.ts'
import { type Drawn, featureName } from './samples.ts'
import type { Before, TrainingScores } from './scores.ts'

const encoding =
  'hour is the local second of day on a circle: hour_sin, hour_cos = sin, cos of 2*pi*second/86400; dayOfWeek is the local day on a circle: day_of_week_sin, day_of_week_cos = sin, cos of 2*pi*day/7, Monday = 0'

export interface VersionFacts extends Before {
  readonly choice: Choice
  readonly features: readonly Feature[]
  readonly scored: TrainingScores
  readonly source: SourceFacts
  readonly software: string
  readonly seconds: number
}

/** The version document: plain JSON data, complete but for its number and time, which saving gives it. */
export function describeVersion(facts: VersionFacts): VersionDocument {
  const { plan, choice, drawn, judging, fitted, features, scored } = facts
  const { settings, span, time } = plan
  const { value, exact, above } = scored.threshold
  const guardsDerived = drawn.derived.length === 0 || choice.guardsDerived
  return {
    model: settings.model,
    version: 0,
    createdAt: '',
    software: facts.software,
    detector: {
      type: fitted.detector,
      settings: plan.requested,
      effective: { ...fitted.effective, seed: plan.seed },
      ...(choice.choice && { choice: [...choice.choice] }),
      shape: { ...fitted.shape },
    },
    features: [...features],
    roles: plan.columns.roles,
    ...(plan.entityNames && { entities: [...plan.entityNames] }),
    ...(Object.keys(plan.columns.reading).length > 0 && { reading: plan.columns.reading }),
    timeContext: {
      features: [...time.features],
      timeZone: time.timeZone,
      encoding,
      zoneTable,
      leftOut: [...time.leftOut],
      transitions: time.transitions && { utc: [...time.transitions.utc], offset: [...time.transitions.offset] },
    },
    missing: { rule: plan.missing, fill: drawn.fill && [...drawn.fill] },
    threshold: { value, rule: judging.rule, exact, flaggedRows: above, flaggedShare: above / drawn.rowsUsed },
    guards: settings.guards === false ? null : { level: value, ...(!guardsDerived && { derived: false }) },
    ...(fitted.perEntity && { perEntity: fitted.perEntity }),
    ...(settings.smoothing && {
      smoothing: describeSmoothing(settings.smoothing.window, value, scored.histogram.counts, span.interval ?? null),
    }),
    ...(judging.habituation && { habituation: judging.habituation }),
    scores: { bins: scoreBins, counts: [...scored.histogram.counts] },
    training: describeTraining(facts),
    payload: { bytes: fitted.payload.byteLength, sha256: createHash('sha256').update(fitted.payload).digest('hex') },
    warnings: [
      ...plan.columns.warnings,
      ...timeWarnings(facts),
      ...drawn.warnings,
      ...historyWarnings(facts),
      ...constantWarning(features),
      ...fitted.warnings,
      ...thresholdWarning(judging.rule, above, drawn.rowsUsed),
    ],
  }
}

/** Telemetry too short to hold a whole day or week, and offsets of a zone that may have changed since. */
function timeWarnings({ plan: { span, time } }: VersionFacts): Warning[] {
  const warnings: Warning[] = []
  const days = span.from === null || span.to === null ? null : (span.to - span.from) / 86_400e6
  const whole = days === null || days >= 7 ? null : days < 1 ? 'day' : 'week'
  if (whole)
    warnings.push({
      code: 'short_training',
      message: `Training spans ${days?.toFixed(2)} days, less than a ${whole}: what happens at other times was not learnt.`,
    })
  if (time.timeZone !== 'UTC' && isOldZoneTable(zoneTable, Date.now()))
    warnings.push({
      code: 'old_zone_table',
      message: `The zone table ${zoneTable} of this Node is older than a year: the offsets of ${time.timeZone} may have changed. Install a newer Node.`,
    })
  return warnings
}

/** A threshold that no row of the training is above flags as little later on. */
function thresholdWarning(rule: VersionDocument['threshold']['rule'], above: number, rows: number): Warning[] {
  if (above > 0 || typeof rule !== 'object' || !('contamination' in rule)) return []
  const { contamination } = rule
  const why =
    contamination * rows < 1
      ? `a contamination of ${contamination} of ${rows} rows is less than one row`
      : `more rows than a contamination of ${contamination} share the highest score`
  const message = `No training row lies above the threshold: ${why}. Give a larger contamination, or threshold.value.`
  return [{ code: 'nothing_flagged', message }]
}

function describeTraining({ plan, drawn, scored, source, seconds }: VersionFacts): VersionDocument['training'] {
  const { span, settings } = plan
  return {
    source: { ...source, files: [...source.files] },
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
    seconds,
  }
}

/** Features with their profiles, which takes sorting the profile's sample. */
export function describeFeatures(drawn: Drawn): Feature[] {
  return drawn.features.map((feature, index) => {
    const profile = describeProfile(drawn, index)
    const name = featureName(feature)
    if ('timeContext' in feature) return { name, kind: 'timeContext', timeContext: feature.timeContext, profile }
    if ('derived' in feature) return { ...drawn.derived[feature.derived]!, profile }
    return { name, kind: feature.kind, type: drawn.columns[index]!.type, profile }
  })
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

function historyWarnings({ plan, drawn, scored }: VersionFacts): Warning[] {
  const late = scored.rowsOutOfOrder
  const lacking = drawn.rowsWithoutHistory - late
  const warning = (code: string, rows: number, what: string) =>
    rows > 0 ? [{ code, message: `${rows} of ${plan.span.rowsInWindow} rows ${what} and were left out.` }] : []
  return [
    ...warning('rows_without_history', lacking, 'have too little history for a derived feature'),
    ...warning('rows_out_of_order', late, 'come after a later row of their entity (sort them by time, oldest first)'),
  ]
}

function constantWarning(features: readonly Feature[]): Warning[] {
  const names = features.filter((feature) => feature.profile.constant).map((feature) => feature.name)
  if (names.length === 0) return []
  return [
    {
      code: 'constant_features',
      message: `${nameList(names)} ${names.length === 1 ? 'has' : 'have'} one value only and tell no rows apart: only the guards see a change in them.`,
      columns: names.slice(0, 1000),
    },
  ]
}

/** A digest of what training saw: the same telemetry has the same one, whatever the seed and the format of its files. */
function fingerprint({ features, profile, profileSample, rowsUsed }: Drawn): string {
  const { finite, missing, infinite, min, max, mean, std } = profile
  const hash = createHash('sha256').update(JSON.stringify([features, rowsUsed, profile.rows]))
  for (const part of [finite, missing, infinite, min, max, mean, std]) hash.update(part)
  return hash.update(profileSample.values).digest('hex')
}

/** Asks a scored source for what a report shows, and cuts the answer to what will be drawn. */
import type { ZoneTransitions } from '../kernels/history/index.ts'
import type { ReaderSession, ReadWindow, SourceAggregate } from '../reader/index.ts'
import type { Feature, ReportAggregate, Roles } from '../schemas/index.ts'
import { zoneTransitions } from '../time/index.ts'
import { judgeLabels, scoreBars } from './curve.ts'
import { featureBins, rangeOf } from './feature-range.ts'
import { hourOfWeek, transitionsWithin } from './local-time.ts'
import { maxOthers } from './tally.ts'

/** Features shown in full; entities and rows told by name. */
const shownFeatures = 40
const shownEntities = 20
const shownRows = 20
/** Time buckets, or runs of rows, that the course of the score is told in, at most. */
const maxBuckets = 360
/** Entities that are looked at, so that the most flagged ones are found. */
const watchedEntities = 200

export interface ScoredSource {
  /** Reads it: a reading process, or whoever answers as one does. */
  readonly session: Pick<ReaderSession, 'span' | 'aggregate'>
  readonly scoresPath: string
  readonly threshold: number
  readonly features: readonly Feature[]
  /** Columns of the source; null where it has none. */
  readonly roles: Roles
  readonly window: ReadWindow | undefined
  /** Rows in the window. */
  readonly rows: number
  readonly timeZone: string
  /** The zone's table in the model; null takes this run-time's. */
  readonly transitions: ZoneTransitions | null
}

/** Aggregates a source whose scores are spooled. Errors: those of `ReaderSession.aggregate` and `span`. */
export async function aggregateSource(source: ScoredSource): Promise<ReportAggregate> {
  const { session, features, roles, threshold } = source
  const timestamp = roles.timestamp ?? undefined
  const { from, to } =
    timestamp === undefined ? { from: null, to: null } : await session.span({ timestamp, window: source.window })
  const timed = from !== null && to !== null
  const buckets = timed ? timeBuckets(from, to) : rowBuckets(source.rows)
  const indexes: number[] = []
  const binned = features.flatMap((feature, index) => {
    const range = rangeOf(feature)
    if (range === null) return []
    indexes.push(index)
    return [{ name: feature.name, ...range }]
  })
  const transitions = timed
    ? transitionsWithin(source.transitions ?? zoneTransitions(source.timeZone), from, to)
    : { utc: [0], offset: [0] }
  const found = await session.aggregate({
    scoresPath: source.scoresPath,
    threshold,
    timestamp: timed ? timestamp : undefined,
    entity: roles.entity ?? undefined,
    label: roles.label ?? undefined,
    window: source.window,
    buckets,
    transitions,
    features: binned,
    bins: featureBins,
    topRows: shownRows,
    topEntities: watchedEntities,
  })
  const { first, width } = buckets
  return shape(found, indexes, {
    threshold,
    from,
    to,
    course: { unit: timed ? 'time' : 'rows', first, width, stretches: [...found.buckets] },
    hours: timed ? hoursOf(found, buckets, transitions) : [],
  })
}

/** @param indexes of the features asked for, their places in the model */
function shape(
  found: SourceAggregate,
  indexes: readonly number[],
  known: Pick<ReportAggregate, 'threshold' | 'from' | 'to' | 'course' | 'hours'>,
): ReportAggregate {
  const telling = mostTelling(found).slice(0, shownFeatures)
  const total = (count: (group: SourceAggregate['scores'][number]) => number) =>
    found.scores.reduce((sum, group) => sum + count(group), 0)
  const flagged = total((group) => (group.flagged ? group.rows : 0))
  return {
    rows: total((group) => group.rows) + found.unscored,
    unscored: found.unscored,
    flagged,
    ...known,
    scores: scoreBars(found.scores, known.threshold),
    labels: judgeLabels(found.scores),
    features: telling.map((place) => ({
      feature: indexes[place]!,
      ...found.flaggedValues[place]!,
      counts: [...found.flaggedValues[place]!.counts],
    })),
    foldedFeatures: indexes.length - telling.length,
    top: found.top.map((row) => ({ ...row, values: telling.map((place) => row.values[place] ?? null) })),
    entities: found.entities && shapeEntities(found.entities, flagged),
  }
}

/** Places of the features: first those whose flagged rows lie outside of what is usual most often, then in the model's order. */
function mostTelling({ flaggedValues, top }: SourceAggregate): number[] {
  const outside = flaggedValues.map(({ belowUsual, aboveUsual, missing }) => belowUsual + aboveUsual + missing)
  const seen = (place: number) => top.filter((row) => row.values[place] == null).length
  return flaggedValues.map((_, place) => place).sort((a, b) => outside[b]! - outside[a]! || seen(b) - seen(a) || a - b)
}

function shapeEntities(
  { named, others, othersFlagged }: NonNullable<SourceAggregate['entities']>,
  flagged: number,
): ReportAggregate['entities'] {
  const rest = named.slice(shownEntities)
  const flaggedRest = rest.reduce((sum, entity) => sum + entity.flagged, othersFlagged)
  return {
    named: named.slice(0, shownEntities),
    flaggedNotNamed: named.length === 0 ? flagged : flaggedRest,
    others: others + rest.length,
    manyOthers: others >= maxOthers,
  }
}

const second = 1e6
const minute = 60 * second
const hour = 60 * minute
const day = 24 * hour
/** Lengths a time bucket may have: those people think in. */
const niceWidths = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((milliseconds) => milliseconds * 1000),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * second),
  ...[1, 2, 5, 10, 15, 30].map((count) => count * minute),
  ...[1, 2, 3, 6, 12].map((count) => count * hour),
  ...[1, 2, 7, 14, 28].map((count) => count * day),
]

function timeBuckets(from: number, to: number) {
  const width =
    niceWidths.find((nice) => Math.floor(to / nice) - Math.floor(from / nice) < maxBuckets) ??
    Math.ceil((to - from + 1) / maxBuckets / day) * day
  const first = Math.floor(from / width) * width
  return { first, width, count: Math.floor((to - first) / width) + 1 }
}

function rowBuckets(rows: number) {
  const width = Math.max(1, Math.ceil(rows / maxBuckets))
  return { first: 0, width, count: Math.max(1, Math.ceil(rows / width)) }
}

/** Every hour of the local week with its flagged rows, without those that time buckets of up to an hour show to have no row. */
function hoursOf(
  { hours, buckets }: SourceAggregate,
  { first, width }: { readonly first: number; readonly width: number },
  zone: ZoneTransitions,
): ReportAggregate['hours'] {
  const flagged = new Map(hours.map((each) => [each.hour, each.flagged]))
  const known = new Set(flagged.keys())
  if (width > hour) for (let each = 0; each < 168; each++) known.add(each)
  else
    for (const { index } of buckets) {
      // A bucket may reach from one local hour into the next.
      const from = first + index * width
      for (const at of [from, from + width - 1]) known.add(hourOfWeek(at, zone))
    }
  return [...known].sort((a, b) => a - b).map((each) => ({ hour: each, flagged: flagged.get(each) ?? 0 }))
}

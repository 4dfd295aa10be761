import { DeepWatchError } from '../src/errors.ts'
import type { AggregateQuery, FlaggedValues, SourceAggregate, TopRow } from '../src/reader-types.ts'
import type { Database } from './reader-database.ts'
import type { Cell } from './reader-duckdb.ts'
import { type Planned, planEntities, planGroups, planValues } from './reader-plan-report.ts'
import { type Relation, show } from './reader-relation.ts'

/** Other entities that are counted. */
const mostOthers = 1_000

/** Counts a scored source: two readings of the columns that are needed, and a third one for entities. */
export async function aggregateScored(
  database: Database,
  relation: Relation,
  query: AggregateQuery,
): Promise<SourceAggregate> {
  const rows = async ({ sql, values }: Planned): Promise<Cell[][]> => {
    database.scores.open(query.scoresPath)
    try {
      const found = await database.connection.rows(sql, values)
      database.scores.verify()
      return found
    } finally {
      database.scores.close()
    }
  }
  const groups = readGroups(await rows(planGroups(relation, query)), query)
  const least = Math.min(query.threshold, scoreOfRow(groups.scores, query.topRows))
  const [texts = []] = await rows(planValues(relation, query, least))
  const [histograms, byStretch, byHour, top, names] = texts.map((text) =>
    text === null ? null : (JSON.parse(String(text)) as unknown),
  ) as [(Histogram | null)[] | null, Histogram | null, Histogram | null, RawRow[] | null, string[] | null]
  const entities =
    query.entity === undefined
      ? null
      : await countEntities(names ?? [], () =>
          rows(planEntities(relation, { ...query, entity: query.entity! }, names ?? [], mostOthers)),
        )
  return {
    ...groups,
    stretches: groups.stretches.map((stretch) => ({ ...stretch, flagged: byStretch?.[stretch.index] ?? 0 })),
    hours: Object.entries(byHour ?? {}).map(([hour, flagged]) => ({ hour: Number(hour), flagged })),
    flaggedValues: query.features.map((_, index) => flaggedValues(histograms?.[index] ?? {}, query.bins)),
    top: (top ?? []).map(readRow),
    entities,
  }
}

/** Rows by key. */
type Histogram = Readonly<Record<string, number>>

type Groups = Pick<SourceAggregate, 'scores' | 'unscored'> & {
  readonly stretches: readonly Omit<SourceAggregate['stretches'][number], 'flagged'>[]
}

/** Takes apart what `sql/report-groups.sql` packs. */
function readGroups(cells: readonly Cell[][], query: AggregateQuery): Groups {
  const scores: SourceAggregate['scores'][number][] = []
  const stretches: Groups['stretches'][number][] = []
  let unscored = 0
  for (const [stretch, place, ...counts] of cells as (number | null)[][]) {
    const [rows, scored, labelled, highest, sum] = counts as [number, number, number, number | null, number | null]
    if (place != null) {
      const label = place & 3
      if (label === 3) throw badLabel(query.label ?? '')
      if (place < 0) unscored += rows
      else
        scores.push({
          step: place >> 14,
          tail: (place >> 3) & 2047,
          flagged: (place & 4) !== 0,
          label: label === 2 ? null : (label as 0 | 1),
          rows,
        })
    }
    // Rows without a time are in no stretch.
    else if (stretch != null) {
      const isScored = scored > 0 && sum !== null
      stretches.push({
        index: stretch,
        rows,
        labelled,
        highest: isScored ? highest : null,
        mean: isScored ? sum / scored : null,
      })
    }
  }
  return { scores, unscored, stretches }
}

/** A score that at least `count` rows reach, or all of them. */
function scoreOfRow(scores: Groups['scores'], count: number): number {
  let above = 0
  for (const { step, rows } of scores.toReversed()) {
    above += rows
    // A little lower, because the step was rounded from a product.
    if (above >= count) return (step - 1) / 1000
  }
  return -1
}

function flaggedValues(histogram: Histogram, bins: number): FlaggedValues {
  const counts: number[] = Array(bins + 2).fill(0)
  let [missing, belowUsual, aboveUsual] = [0, 0, 0]
  for (const [key, rows] of Object.entries(histogram)) {
    const place = Number(key)
    if (place < 0) {
      missing += rows
      continue
    }
    counts[Math.floor(place / 3)]! += rows
    if (place % 3 === 0) belowUsual += rows
    else if (place % 3 === 2) aboveUsual += rows
  }
  return { counts, missing, belowUsual, aboveUsual }
}

interface RawRow extends Omit<TopRow, 'values' | 'label'> {
  readonly label: number | null
  readonly values: readonly (string | null)[]
}

function readRow({ row, score, time, entity, label, values }: RawRow): TopRow {
  return {
    row,
    score,
    time,
    entity,
    label: label === 1 ? 1 : label === 0 ? 0 : null,
    values: values.map((text) => {
      // Infinities are no JSON: they cross the pipe as null, as missing values do.
      const value = text === null ? Number.NaN : Number(text)
      return Number.isFinite(value) ? value : null
    }),
  }
}

async function countEntities(
  names: readonly string[],
  read: () => Promise<Cell[][]>,
): Promise<NonNullable<SourceAggregate['entities']>> {
  // Nothing is flagged, so nobody stands out.
  if (names.length === 0) return { named: [], othersRows: 0, othersFlagged: 0, others: 0 }
  const named: { entity: string; rows: number; flagged: number }[] = []
  let rest = { othersRows: 0, othersFlagged: 0, others: 0 }
  for (const [entity, rows, flagged, entities] of await read()) {
    const counts = { rows: Number(rows), flagged: Number(flagged) }
    if (entity !== null) named.push({ entity: String(entity), ...counts })
    else rest = { othersRows: counts.rows, othersFlagged: counts.flagged, others: Number(entities) }
  }
  return { named, ...rest }
}

function badLabel(name: string): DeepWatchError {
  return new DeepWatchError(
    'type_mismatch',
    `The label column ${show(name)} has a value that is not true, false, 0, 1 or null.`,
    { facts: { column: name.slice(0, 200) } },
  )
}

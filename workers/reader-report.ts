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
  const [histograms, top, names] = texts.map((text) => (text === null ? [] : JSON.parse(String(text)))) as [
    (Record<string, number> | null)[],
    RawRow[],
    string[],
  ]
  const entities =
    query.entity === undefined
      ? null
      : await countEntities(names, () =>
          rows(planEntities(relation, { ...query, entity: query.entity! }, names, mostOthers)),
        )
  return {
    ...groups,
    flaggedValues: query.features.map((_, index) => flaggedValues(histograms[index] ?? {}, query.bins)),
    top: top.map(readRow),
    entities,
  }
}

type Groups = Pick<SourceAggregate, 'scores' | 'unscored' | 'stretches' | 'hours'>

function readGroups(cells: readonly Cell[][], query: AggregateQuery): Groups {
  const scores: SourceAggregate['scores'][number][] = []
  const stretches: SourceAggregate['stretches'][number][] = []
  const hours: SourceAggregate['hours'][number][] = []
  let unscored = 0
  for (const [table, key, tail, isFlagged, label, ...counts] of cells) {
    const [rows, scored, flagged, labelled, highest, sum] = counts as number[] as [
      number,
      number,
      number,
      number,
      number | null,
      number | null,
    ]
    if (table === 0 && label === 2) throw badLabel(query.label ?? '')
    if (table === 0 && key === null) unscored += rows
    // Rows without a time are in no stretch and in no hour.
    if (key === null) continue
    const index = Number(key)
    if (table === 0)
      scores.push({
        step: index,
        tail: Number(tail),
        flagged: isFlagged === true,
        label: label === 1 ? 1 : label === 0 ? 0 : null,
        rows,
      })
    else if (table === 1)
      stretches.push({
        index,
        rows,
        flagged,
        labelled,
        highest: scored === 0 ? null : highest,
        mean: scored === 0 || sum === null ? null : sum / scored,
      })
    else if (query.timestamp !== undefined) hours.push({ hour: index, rows, flagged })
  }
  return { scores, unscored, stretches, hours }
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

function flaggedValues(histogram: Readonly<Record<string, number>>, bins: number): FlaggedValues {
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

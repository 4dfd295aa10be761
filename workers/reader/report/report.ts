import { beginningOf, entityLength, maxOthers, ReportTally } from '../../../src/aggregate/index.ts'
import type { AggregateQuery, FeatureQuery, SourceAggregate } from '../../../src/reader/index.ts'
import { placesOf } from '../../../src/telemetry/index.ts'
import {
  type Cell,
  type Chunk,
  columnOf,
  type Database,
  isValid,
  type Relation,
  rowsOf,
  type Values,
} from '../database/index.ts'
import { checkLabels, drainRows, type FeaturePlan, type MatrixColumn, planFeatures, windowed } from '../read/index.ts'

/** Counts a scored source: one reading of the columns that are needed, and two of its entities where it has some. */
export async function aggregateScored(
  database: Database,
  relation: Relation,
  query: AggregateQuery,
): Promise<SourceAggregate> {
  const { scores, connection } = database
  const { entity, threshold, scoresPath } = query
  const tally = new ReportTally(query)
  const plan = planFeatures(relation, rowQuery(relation, query))
  const read = rowReader(plan, query, scores)
  const take = (chunk: Chunk, rows: number) => tally.take(read(chunk, rows))
  await scores.during(scoresPath, () => drainRows(database, plan, take))
  if (entity === undefined) return { ...tally.result(), entities: null }
  const { expression } = columnOf(relation, entity)
  const ask = (name: 'report-flagged' | 'report-entities', bound: Values): Promise<Cell[][]> => {
    const { sql, values } = windowed(name, relation, query, (needed) => ({
      entity: `left(${needed.add(expression)}::varchar, ${entityLength})`,
    }))
    return scores.during(scoresPath, () => rowsOf(connection, sql, { ...values, ...bound, threshold }))
  }
  const flagged = await ask('report-flagged', { entities: query.topEntities })
  const names = (JSON.parse(String(flagged[0]?.[0] ?? '[]')) ?? []) as string[]
  // Without names nothing is flagged, so nobody stands out.
  const counts = names.length === 0 ? [] : await ask('report-entities', { names, max: maxOthers })
  return { ...tally.result(), entities: countEntities(counts) }
}

/** What is read of every row. */
function rowQuery(relation: Relation, query: AggregateQuery): FeatureQuery {
  const { timestamp, label, entity, window } = query
  return {
    features: query.features.map(({ name }) => {
      const { kind } = columnOf(relation, name)
      return { name, kind: kind === 'boolean' ? kind : 'number' }
    }),
    timestamp,
    window,
    entity,
    extra: { row: true, timestamp: timestamp !== undefined, label, entity: entity !== undefined },
  }
}

/** Reads the rows of chunks, one after the other: the first rows of each, valid until the next one is read. */
function rowReader(plan: FeaturePlan, { features, label, entity }: AggregateQuery, scores: Database['scores']) {
  const { columns, time } = plan
  const place = placesOf(features.length, { entity: entity !== undefined, row: true }).row!
  /** Rows read so far. */
  let total = 0
  return (chunk: Chunk, rows: number): Parameters<ReportTally['take']>[0] => {
    const first = total
    total += rows
    const doubles = (column: MatrixColumn | undefined) =>
      column !== undefined && 'result' in column ? chunk.doubles(column.result) : null
    const values = columns.slice(0, features.length).map((column) => doubles(column)!)
    // Only in a window is a row's place in the source another one than its place in the stream.
    const positions = doubles(columns[place])
    const labels = doubles(columns.find((column) => 'label' in column))
    if (labels !== null) checkLabels(labels, 0, rows, label ?? '', first)
    return {
      rows,
      scores: scores.take(rows),
      labels,
      times: time === null ? null : chunk.doubles(time),
      position: (row) => (positions === null ? first + row : positions[row]!),
      value: (feature, row) => values[feature]![row]!,
      entity: (row) => entityOf(chunk, plan.entity, row),
    }
  }
}

/** The beginning of a row's entity. */
function entityOf(chunk: Chunk, column: number | null, row: number): string | null {
  if (column === null || !isValid(chunk.validity(column), row)) return null
  const texts = chunk.texts(column)
  texts.at(row)
  return beginningOf(Buffer.from(texts.bytes.subarray(texts.start, texts.end)).toString('utf8'))
}

function countEntities(counts: readonly Cell[][]): NonNullable<SourceAggregate['entities']> {
  const named: { entity: string; rows: number; flagged: number }[] = []
  let others = { othersRows: 0, othersFlagged: 0, others: 0 }
  for (const [entity, rows, flagged, entities] of counts) {
    if (entity !== null) named.push({ entity: String(entity), rows: Number(rows), flagged: Number(flagged) })
    else others = { othersRows: Number(rows), othersFlagged: Number(flagged), others: Number(entities) }
  }
  return { named, ...others }
}

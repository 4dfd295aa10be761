/** Counts rows held in memory for a report: what the reading process says of a file, without one. */
import { DeepWatchError } from '../errors.ts'
import type { AggregateQuery, FeatureQuery, SourceAggregate } from '../reader/index.ts'
import type { Scratch } from '../sources/index.ts'
import { quote, rowFacts, type Telemetry } from '../telemetry/index.ts'
import { maxOthers } from './aggregate.ts'
import { ReportTally } from './tally.ts'

/** Characters of an entity that count: as in the statements. */
const entityLength = 200

interface Counted {
  rows: number
  flagged: number
}

/**
 * The same answer as `ReaderSession.aggregate` for telemetry without entities, from blocks that are read again.
 * @param read how the blocks are asked for: with the features of `query`, and its label and time
 */
export async function aggregateBlocks(
  telemetry: Pick<Telemetry, 'features'>,
  read: FeatureQuery,
  scratch: Scratch,
  query: AggregateQuery,
): Promise<SourceAggregate> {
  const tally = new ReportTally(query)
  const features = query.features.map(({ name }) =>
    read.features.findIndex((feature) => 'name' in feature && !('derived' in feature) && feature.name === name),
  )
  for await (const { piece, facts, scores } of withScores(telemetry, read, scratch)) {
    const { rows, labels, times, position } = facts
    const { values, stride } = piece.block
    if (labels !== null) requireLabels(labels, query.label!, piece.first)
    const value = (feature: number, row: number) => values[features[feature]! * stride + row]!
    tally.take({ rows, scores, labels, times, position, value, entity: () => null })
  }
  return { ...tally.result(), entities: null }
}

/** The blocks of a reading with the scores they were given; each is valid until the next is asked for. */
async function* withScores(telemetry: Pick<Telemetry, 'features'>, read: FeatureQuery, scratch: Scratch) {
  const file = await scratch.readScores()
  try {
    for await (const piece of telemetry.features(read)) {
      const facts = rowFacts(read.features.length, read.extra ?? {}, piece)
      const scores = new Float64Array(facts.rows)
      await file.next(scores)
      yield { piece, facts, scores }
      piece.release()
    }
  } finally {
    await file.close()
  }
}

function requireLabels(labels: Float64Array, name: string, first: number): void {
  const wrong = labels.findIndex((label) => label !== 0 && label !== 1 && !Number.isNaN(label))
  if (wrong === -1) return
  const facts = { column: name, firstRows: [first + wrong] }
  throw new DeepWatchError('type_mismatch', `${quote(name)} has a value that is no label.`, { facts })
}

/** The same answer as `ReaderSession.aggregate`; for rows in memory, which may have entities. */
export async function aggregateRows(
  telemetry: Telemetry,
  scratch: Scratch,
  query: AggregateQuery,
): Promise<SourceAggregate> {
  const tally = new ReportTally(query)
  const entities = new Map<string, Counted>()
  const unnamed: Counted = { rows: 0, flagged: 0 }
  const features: FeatureQuery['features'] = query.features.map(({ name }) => ({ name, kind: 'number' }))
  const extra = { row: true, timestamp: query.timestamp !== undefined, label: query.label }
  const { timestamp, window } = query
  const read = { features, extra, timestamp, window, include: query.entity === undefined ? undefined : [query.entity] }
  for await (const { piece, facts, scores } of withScores(telemetry, read, scratch)) {
    const { rows, labels, times, position, text } = facts
    const { values, stride } = piece.block
    const value = (feature: number, row: number) => values[feature * stride + row]!
    const entity = (row: number) => entityOf(text(row))
    tally.take({ rows, scores, labels, times, position, value, entity })
    for (let row = 0; row < rows; row++) countEntity(entity(row), scores[row]! > query.threshold)
  }

  function countEntity(entity: string | null, isFlagged: boolean): void {
    const counted = entity === null ? unnamed : (entities.get(entity) ?? { rows: 0, flagged: 0 })
    counted.rows++
    counted.flagged += Number(isFlagged)
    if (entity !== null) entities.set(entity, counted)
  }

  return {
    ...tally.result(),
    entities: query.entity === undefined ? null : tellEntities(entities, unnamed, query.topEntities),
  }
}

/** The value of the one echoed column, from its text `"name":value`. */
function entityOf(text: string | null): string | null {
  if (text === null) return null
  const [value] = Object.values(JSON.parse(`{${text}}`) as Record<string, unknown>)
  if (value == null) return null
  const shown = typeof value === 'string' ? value : JSON.stringify(value)
  return [...shown.slice(0, 4 * entityLength)].slice(0, entityLength).join('')
}

function tellEntities(
  entities: ReadonlyMap<string, Counted>,
  unnamed: Counted,
  max: number,
): SourceAggregate['entities'] {
  const named = [...entities]
    .map(([entity, { rows, flagged }]) => ({ entity, rows, flagged }))
    .filter(({ flagged }) => flagged > 0)
    .sort((a, b) => b.flagged - a.flagged || (a.entity < b.entity ? -1 : 1))
    .slice(0, max)
  if (named.length === 0) return { named, othersRows: 0, othersFlagged: 0, others: 0 }
  const rest = (count: (each: Counted) => number) =>
    [...entities.values(), unnamed].reduce((sum, each) => sum + count(each), 0) -
    named.reduce((sum, each) => sum + count(each), 0)
  return {
    named,
    othersRows: rest(({ rows }) => rows),
    othersFlagged: rest(({ flagged }) => flagged),
    others: Math.min(entities.size - named.length, maxOthers),
  }
}

/** Counts rows held in memory for a report: what the reading process says of a file, without one. */
import { DeepWatchError } from '../errors.ts'
import type { AggregateQuery, FeatureQuery, SourceAggregate } from '../reader/index.ts'
import type { Scratch } from '../sources/index.ts'
import { quote, rowFacts, type Telemetry } from '../telemetry/index.ts'
import { beginningOf, maxOthers, ReportTally } from './tally.ts'

interface Counted {
  rows: number
  flagged: number
}

/**
 * The same answer as `ReaderSession.aggregate`. Errors: `type_mismatch` for a label that is none.
 * @param read how the blocks are asked for, where that is known: with the features of `query`, and its label and time
 */
export async function aggregateRows(
  telemetry: Pick<Telemetry, 'features'>,
  scratch: Scratch,
  query: AggregateQuery,
  read = readingOf(query),
): Promise<SourceAggregate> {
  const tally = new ReportTally(query)
  const entities = new Map<string, Counted>()
  const unnamed: Counted = { rows: 0, flagged: 0 }
  const columns = query.features.map(({ name }) =>
    read.features.findIndex((feature) => 'name' in feature && !('derived' in feature) && feature.name === name),
  )
  for await (const { piece, facts, scores } of withScores(readFacts(telemetry, read), scratch)) {
    const { rows, labels, times, position, text } = facts
    const { values, stride } = piece.block
    if (labels !== null) requireLabels(labels, query.label!, piece.first)
    const value = (feature: number, row: number) => values[columns[feature]! * stride + row]!
    const entity = (row: number) => (query.entity === undefined ? null : entityOf(text(row)))
    tally.take({ rows, scores, labels, times, position, value, entity })
    for (let row = 0; query.entity !== undefined && row < rows; row++)
      countEntity(entity(row), scores[row]! > query.threshold)
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

function readingOf({ features, timestamp, label, entity, window }: AggregateQuery): FeatureQuery {
  return {
    features: features.map(({ name }) => ({ name, kind: 'number' })),
    extra: { row: true, timestamp: timestamp !== undefined, label },
    timestamp,
    window,
    include: entity === undefined ? undefined : [entity],
  }
}

/** The blocks of a reading with what is told of their rows; each is valid until the next is asked for. */
export async function* readFacts(telemetry: Pick<Telemetry, 'features'>, read: FeatureQuery) {
  for await (const piece of telemetry.features(read)) {
    try {
      yield { piece, facts: rowFacts(read.features.length, read.extra ?? {}, piece) }
    } finally {
      piece.release()
    }
  }
}

/** The same with the scores their rows were given, in source order. */
export async function* withScores<Facts extends { readonly facts: { readonly rows: number } }>(
  blocks: AsyncIterable<Facts> | Iterable<Facts>,
  scratch: Scratch,
) {
  const file = await scratch.readScores()
  try {
    for await (const block of blocks) {
      const scores = new Float64Array(block.facts.rows)
      await file.next(scores)
      yield { ...block, scores }
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

/** The value of the one echoed column, from its text `"name":value`. */
function entityOf(text: string | null): string | null {
  if (text === null) return null
  const [value] = Object.values(JSON.parse(`{${text}}`) as Record<string, unknown>)
  if (value == null) return null
  return beginningOf(typeof value === 'string' ? value : JSON.stringify(value))
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

/** Counts rows held in memory for a report: what the statements `sql/report-*.sql` say of a file, without a process for it. */
import type { AggregateQuery, FeatureQuery, SourceAggregate, TopRow } from './reader-types.ts'
import { hourOfWeek } from './report/hour-of-week.ts'
import { rowFacts } from './scored-block.ts'
import type { Scratch } from './scratch.ts'
import type { Telemetry } from './telemetry.ts'

/** Characters of an entity that count, and others that are counted: as in the statements. */
const entityLength = 200
const mostOthers = 1_000

interface Counted {
  rows: number
  flagged: number
}

/** The same answer as `ReaderSession.aggregate`; the rows are few enough to be asked one by one. */
export async function aggregateRows(
  telemetry: Telemetry,
  scratch: Scratch,
  query: AggregateQuery,
): Promise<SourceAggregate> {
  const { stretches: plan, bins, threshold } = query
  const groups = new Map<number, SourceAggregate['scores'][number]>()
  const stretches = new Map<
    number,
    { rows: number; flagged: number; labelled: number; scored: number; sum: number; highest: number }
  >()
  const hours = new Map<number, number>()
  const entities = new Map<string, Counted>()
  const unnamed: Counted = { rows: 0, flagged: 0 }
  const flaggedValues = query.features.map(() => ({
    counts: Array<number>(bins + 2).fill(0),
    missing: 0,
    belowUsual: 0,
    aboveUsual: 0,
  }))
  let top: TopRow[] = []
  let unscored = 0
  const features: FeatureQuery['features'] = query.features.map(({ name }) => ({ name, kind: 'number' }))
  const lanes = { row: true, timestamp: query.timestamp !== undefined, label: query.label }
  const include = query.entity === undefined ? undefined : [query.entity]
  const { timestamp, window } = query
  const file = await scratch.readScores()
  try {
    for await (const piece of telemetry.features({ features, lanes, timestamp, window, include })) {
      const facts = rowFacts(features.length, lanes, piece)
      const scores = new Float64Array(facts.rows)
      await file.next(scores)
      for (let row = 0; row < facts.rows; row++) take(facts, row, scores[row]!, piece.first + row, piece.block)
      piece.release()
    }
  } finally {
    await file.close()
  }

  function take(
    facts: ReturnType<typeof rowFacts>,
    row: number,
    score: number,
    position: number,
    { values, stride }: { readonly values: Float64Array; readonly stride: number },
  ): void {
    const isFlagged = score > threshold
    const mark = facts.label(row)
    const label = mark === 1 ? 1 : mark === 0 ? 0 : null
    const time = facts.time(row)
    const entity = entityOf(facts.text(row))
    if (Number.isNaN(score)) unscored++
    else countScore(score, isFlagged, label)
    const place = query.timestamp === undefined ? position : time
    if (!Number.isNaN(place)) {
      const index = Math.min(Math.max(Math.floor((place - plan.first) / plan.width), 0), plan.count - 1)
      const stretch = stretches.get(index) ?? { rows: 0, flagged: 0, labelled: 0, scored: 0, sum: 0, highest: 0 }
      stretch.rows++
      stretch.flagged += Number(isFlagged)
      stretch.labelled += Number(label === 1)
      if (!Number.isNaN(score)) {
        stretch.scored++
        stretch.sum += score
        stretch.highest = Math.max(stretch.highest, score)
      }
      stretches.set(index, stretch)
    }
    const counted = entity === null ? unnamed : (entities.get(entity) ?? { rows: 0, flagged: 0 })
    counted.rows++
    counted.flagged += Number(isFlagged)
    if (entity !== null) entities.set(entity, counted)
    const valueIn = (lane: number) => values[lane * stride + row]!
    if (isFlagged) {
      if (!Number.isNaN(time)) {
        const hour = hourOfWeek(time, query.transitions)
        hours.set(hour, (hours.get(hour) ?? 0) + 1)
      }
      for (const [lane, feature] of query.features.entries()) countValue(feature, lane, valueIn(lane))
    }
    if (Number.isNaN(score) || (top.length === query.topRows && score <= top.at(-1)!.score)) return
    const shown: TopRow = {
      row: facts.position(row),
      score,
      time: Number.isNaN(time) ? null : time,
      entity,
      label,
      values: query.features.map((_, lane) => (Number.isFinite(valueIn(lane)) ? valueIn(lane) : null)),
    }
    const before = top.findIndex((other) => other.score < score)
    top.splice(before === -1 ? top.length : before, 0, shown)
    top = top.slice(0, query.topRows)
  }

  function countScore(score: number, flagged: boolean, label: 0 | 1 | null): void {
    const step = Math.min(Math.floor(score * 1000), 999)
    const tail = score >= 0.99 ? Math.floor(-100 * Math.log10(Math.max(1 - score, 1e-12))) : 0
    const key = (step * 2048 + tail) * 8 + (flagged ? 4 : 0) + (label ?? 2)
    groups.set(key, { step, tail, flagged, label, rows: (groups.get(key)?.rows ?? 0) + 1 })
  }

  function countValue(
    { low, high, usualLow, usualHigh }: AggregateQuery['features'][number],
    lane: number,
    value: number,
  ): void {
    const counted = flaggedValues[lane]!
    if (Number.isNaN(value)) {
      counted.missing++
      return
    }
    const bin = Math.min(Math.floor(((value - low) / (high - low)) * bins), bins - 1)
    counted.counts[value < low ? 0 : value > high ? bins + 1 : 1 + bin]!++
    if (value < usualLow) counted.belowUsual++
    else if (value > usualHigh) counted.aboveUsual++
  }

  return {
    scores: [...groups].sort(([a], [b]) => a - b).map(([, group]) => group),
    unscored,
    stretches: [...stretches]
      .sort(([a], [b]) => a - b)
      .map(([index, { rows, flagged, labelled, scored, sum, highest }]) => ({
        index,
        rows,
        flagged,
        labelled,
        highest: scored === 0 ? null : highest,
        mean: scored === 0 ? null : sum / scored,
      })),
    hours: [...hours].map(([hour, flagged]) => ({ hour, flagged })),
    flaggedValues,
    top,
    entities: query.entity === undefined ? null : tellEntities(entities, unnamed, query.topEntities),
  }
}

/** The value of the one echoed column, from its text `"name":value`. */
function entityOf(text: string | null): string | null {
  if (text === null) return null
  const [value] = Object.values(JSON.parse(`{${text}}`) as Record<string, unknown>)
  if (value == null) return null
  return [...(typeof value === 'string' ? value : JSON.stringify(value)).slice(0, 4 * entityLength)]
    .slice(0, entityLength)
    .join('')
}

function tellEntities(
  entities: ReadonlyMap<string, Counted>,
  unnamed: Counted,
  most: number,
): SourceAggregate['entities'] {
  const named = [...entities]
    .map(([entity, { rows, flagged }]) => ({ entity, rows, flagged }))
    .filter(({ flagged }) => flagged > 0)
    .sort((a, b) => b.flagged - a.flagged || (a.entity < b.entity ? -1 : 1))
    .slice(0, most)
  if (named.length === 0) return { named, othersRows: 0, othersFlagged: 0, others: 0 }
  const rest = (count: (each: Counted) => number) =>
    [...entities.values(), unnamed].reduce((sum, each) => sum + count(each), 0) -
    named.reduce((sum, each) => sum + count(each), 0)
  return {
    named,
    othersRows: rest(({ rows }) => rows),
    othersFlagged: rest(({ flagged }) => flagged),
    others: Math.min(entities.size - named.length, mostOthers),
  }
}

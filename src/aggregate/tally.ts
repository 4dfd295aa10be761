/** Counts scored rows for a report, as they come: one walk, and what it holds is bounded however many rows there are. */
import type { AggregateQuery, FlaggedValues, SourceAggregate, TopRow } from '../reader/index.ts'
import { binOf } from './feature-range.ts'
import { hourOfWeek } from './local-time.ts'

/** Some rows in source order. Columns are null where the source has none. */
export interface TalliedRows {
  readonly rows: number
  /** NaN where a row has no score. */
  readonly scores: Float64Array
  /** 1, 0, or NaN for null. */
  readonly labels: Float64Array | null
  /** Epoch microseconds, NaN where unknown. */
  readonly times: Float64Array | null
  /** Place in the source, before any window. */
  position(row: number): number
  /** Value of a feature of the query, NaN for null. */
  value(feature: number, row: number): number
  entity(row: number): string | null
}

/** Steps of the score, and the finer ones above .99: 100ths of -log10(1 - score), which end at 12. */
const steps = 1000
const finerFrom = 0.99
const finest = 1e-12
/** A key is a step, a finer step, and three bits: flagged, and a label of 0, 1 or 2 for none. */
const tails = 2048

/** Characters of an entity that count; entities that differ further on are told as one. */
export const entityLength = 200
/** Entities beside the named ones that are counted. */
export const maxOthers = 1_000

/** What counts of the text of an entity. A character takes at most two units. */
export function beginningOf(entity: string): string {
  return [...entity.slice(0, 2 * entityLength)].slice(0, entityLength).join('')
}

interface Bucket {
  rows: number
  flagged: number
  labelled: number
  /** Rows with a score, the sum of these, and the highest. */
  scored: number
  sum: number
  highest: number
}

export class ReportTally {
  readonly #query: AggregateQuery
  /** Rows by step and bits below `finerFrom`, by key above. */
  readonly #coarse = new Float64Array(8 * steps)
  readonly #fine = new Map<number, number>()
  /** Of the time buckets that have rows. */
  readonly #buckets: Bucket[] = []
  readonly #hours = new Map<number, number>()
  readonly #flaggedValues: { counts: number[]; missing: number; belowUsual: number; aboveUsual: number }[]
  readonly #top: TopRow[] = []
  #unscored = 0
  /** Rows taken so far. */
  #rows = 0

  constructor(query: AggregateQuery) {
    this.#query = query
    this.#flaggedValues = query.features.map(() => ({
      counts: Array<number>(query.bins + 2).fill(0),
      missing: 0,
      belowUsual: 0,
      aboveUsual: 0,
    }))
  }

  take(taken: TalliedRows): void {
    const { scores, labels, times } = taken
    const { threshold, timestamp, topRows } = this.#query
    for (let row = 0; row < taken.rows; row++) {
      const score = scores[row]!
      const label = labels === null ? Number.NaN : labels[row]!
      const time = times === null ? Number.NaN : times[row]!
      const isFlagged = score > threshold
      if (Number.isNaN(score)) this.#unscored++
      else this.#countScore(score, isFlagged, label)
      const place = timestamp === undefined ? this.#rows + row : time
      if (!Number.isNaN(place)) this.#countBucket(place, score, isFlagged, label)
      if (isFlagged) this.#countFlagged(taken, row, time)
      if (this.#top.length < topRows ? !Number.isNaN(score) : score > this.#top[topRows - 1]!.score)
        this.#rise(taken, row, { score, label, time })
    }
    this.#rows += taken.rows
  }

  /** Everything but the entities. */
  result(): Omit<SourceAggregate, 'entities'> {
    return {
      scores: this.#scores(),
      unscored: this.#unscored,
      buckets: this.#buckets.flatMap(({ scored, sum, highest, ...counts }, index) => {
        if (scored === 0) return { index, ...counts, highest: null, mean: null }
        return { index, ...counts, highest, mean: sum / scored }
      }),
      hours: [...this.#hours].map(([hour, flagged]) => ({ hour, flagged })),
      flaggedValues: this.#flaggedValues satisfies FlaggedValues[],
      top: this.#top,
    }
  }

  #countScore(score: number, isFlagged: boolean, label: number): void {
    const step = Math.min(Math.floor(score * steps), steps - 1)
    const bits = (isFlagged ? 4 : 0) + (label === 1 ? 1 : label === 0 ? 0 : 2)
    if (score < finerFrom) {
      this.#coarse[step * 8 + bits]!++
      return
    }
    const tail = Math.floor(-100 * Math.log10(Math.max(1 - score, finest)))
    const key = (step * tails + tail) * 8 + bits
    this.#fine.set(key, (this.#fine.get(key) ?? 0) + 1)
  }

  #countBucket(place: number, score: number, isFlagged: boolean, label: number): void {
    const { first, width, count } = this.#query.buckets
    // What lies outside counts to the nearest.
    const index = Math.min(Math.max(Math.floor((place - first) / width), 0), count - 1)
    this.#buckets[index] ??= { rows: 0, flagged: 0, labelled: 0, scored: 0, sum: 0, highest: Number.NEGATIVE_INFINITY }
    const bucket = this.#buckets[index]
    bucket.rows++
    if (isFlagged) bucket.flagged++
    if (label === 1) bucket.labelled++
    if (Number.isNaN(score)) return
    bucket.scored++
    bucket.sum += score
    bucket.highest = Math.max(bucket.highest, score)
  }

  #countFlagged(taken: TalliedRows, row: number, time: number): void {
    const { features, transitions, bins } = this.#query
    if (!Number.isNaN(time)) {
      const hour = hourOfWeek(time, transitions)
      this.#hours.set(hour, (this.#hours.get(hour) ?? 0) + 1)
    }
    for (let feature = 0; feature < features.length; feature++) {
      const range = features[feature]!
      const counted = this.#flaggedValues[feature]!
      const value = taken.value(feature, row)
      if (Number.isNaN(value)) {
        counted.missing++
        continue
      }
      counted.counts[binOf(value, range, bins)]!++
      if (value < range.usualLow) counted.belowUsual++
      else if (value > range.usualHigh) counted.aboveUsual++
    }
  }

  /** Puts a row among the highest, behind earlier ones of its score. */
  #rise(
    taken: TalliedRows,
    row: number,
    { score, label, time }: { readonly score: number; readonly label: number; readonly time: number },
  ): void {
    const { features, topRows } = this.#query
    const shown: TopRow = {
      row: taken.position(row),
      score,
      time: Number.isNaN(time) ? null : time,
      entity: taken.entity(row),
      label: label === 1 ? 1 : label === 0 ? 0 : null,
      values: features.map((_, feature) => {
        const value = taken.value(feature, row)
        return Number.isFinite(value) ? value : null
      }),
    }
    const before = this.#top.findIndex((other) => other.score < score)
    this.#top.splice(before === -1 ? this.#top.length : before, 0, shown)
    if (this.#top.length > topRows) this.#top.pop()
  }

  #scores(): SourceAggregate['scores'] {
    const keyed: [number, number][] = [...this.#fine]
    this.#coarse.forEach((rows, index) => {
      if (rows > 0) keyed.push([(index >> 3) * tails * 8 + (index & 7), rows])
    })
    return keyed
      .sort(([a], [b]) => a - b)
      .map(([key, rows]) => ({
        step: Math.floor(key / 8 / tails),
        tail: (key >> 3) & (tails - 1),
        flagged: (key & 4) !== 0,
        label: (key & 3) === 2 ? null : ((key & 3) as 0 | 1),
        rows,
      }))
  }
}

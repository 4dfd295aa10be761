import { transitionsWithin } from '../../../src/aggregate/index.ts'
import { DeepWatchError } from '../../../src/errors.ts'
import { circleOf, type ZoneTransitions } from '../../../src/kernels/history/index.ts'
import type { FeatureQuery } from '../../../src/reader/index.ts'
import { type Chunk, type Database, type Relation, TextBuffer } from '../database/index.ts'
import { BlockWriter } from './blocks.ts'
import { checkLabels, drainRows } from './drain.ts'
import { echoChunk } from './echo.ts'
import { entityReader, type HistoryFiller, historyFiller } from './history-columns.ts'
import { type FeaturePlan, type MatrixColumn, planFeatures } from './plan.ts'
import { spanOf } from './span.ts'

export interface StreamLimits {
  readonly maxCells: number
  readonly maxDecodedTextBytes: number
}

/** Microseconds beyond this are not exact in a double. */
const EXACT = Number.MAX_SAFE_INTEGER

/**
 * Streams the feature matrix as block frames and returns the number of rows. A stream that did not reach its end is an error.
 */
export async function streamFeatures(
  database: Database,
  relation: Relation,
  query: FeatureQuery,
  limits: StreamLimits,
): Promise<number> {
  const plan = planFeatures(relation, query, await localOffset(database, relation, query))
  const filler = new MatrixFiller(plan, query, limits)
  await drainRows(database, plan, (chunk, rows) => filler.take(chunk, rows))
  filler.writer.flush()
  return filler.handedOut
}

/**
 * The offset of local time at the epoch second `second`, for `sql/features.sql`. It holds the transitions from the first to the last
 * time that is read, as far as these are known beforehand: from the window, or from the statistics of a Parquet file.
 */
async function localOffset(database: Database, relation: Relation, query: FeatureQuery): Promise<string> {
  const { timestamp, window, transitions } = query
  if (transitions === undefined || !query.features.some((feature) => 'timeContext' in feature)) return '0'
  const hasStatistics = window === undefined && timestamp !== undefined && relation.groupRows !== undefined
  const span = hasStatistics
    ? await spanOf(database, relation, { timestamp })
    : { from: window?.from ?? null, to: window?.to ?? null }
  return offsetExpression(transitionsWithin(transitions, span.from ?? -Infinity, span.to ?? Infinity))
}

/** A tree of comparisons: a row meets one for a span of half a year, and eight for 130 years. Nothing is held or sorted, as by a join. */
function offsetExpression({ utc, offset }: ZoneTransitions): string {
  const between = (first: number, end: number): string => {
    if (end - first === 1) return String(offset[first])
    const middle = (first + end) >> 1
    return `case when second < ${utc[middle]} then ${between(first, middle)} else ${between(middle, end)} end`
  }
  return between(0, utc.length)
}

/** Puts the results of chunks into the columns of blocks. */
class MatrixFiller {
  readonly writer: BlockWriter
  /** Rows that went into blocks. */
  handedOut = 0
  /** Rows taken so far. */
  private total = 0
  private readonly plan: FeaturePlan
  private readonly limits: StreamLimits
  private readonly text: TextBuffer | null
  private readonly histories: HistoryFiller | null
  /** Numbers of the entities known or seen so far. */
  private readonly entities: Map<string | null, number>

  constructor(plan: FeaturePlan, query: FeatureQuery, limits: StreamLimits) {
    this.plan = plan
    this.limits = limits
    this.entities = new Map(query.entities?.map((name, number) => [Buffer.from(name).toString('latin1'), number]))
    this.text = plan.echoed.length === 0 ? null : new TextBuffer(limits.maxDecodedTextBytes)
    this.writer = new BlockWriter(plan.columns.length, this.text, query.entities !== undefined)
    this.histories = query.history === undefined ? null : historyFiller(plan, query.history)
  }

  take(chunk: Chunk, rows: number): void {
    const { plan, text, writer } = this
    if ((this.total + rows) * plan.columns.length > this.limits.maxCells) {
      throw new DeepWatchError('decoded_too_large', `The source has more than ${this.limits.maxCells} values.`)
    }
    const times = plan.time === null ? null : chunk.doubles(plan.time)
    if (times !== null) checkTimes(times, rows)
    const fillers = plan.columns.map((column) => this.filler(column, chunk))
    const fillHistory = this.histories?.(chunk, times as Float64Array) ?? null
    const echo = text === null ? null : echoChunk(chunk, plan.echoed)
    let from = 0
    while (from < rows) {
      const part = Math.min(rows - from, writer.room)
      for (let row = 0; text !== null && row < part; row++) echo?.(from + row, text)
      for (const [index, fill] of fillers.entries()) fill?.(index * writer.stride + writer.rows, from, part)
      const kept = fillHistory === null ? part : fillHistory(from, part, writer)
      writer.advance(kept)
      this.handedOut += kept
      this.total += part
      from += part
    }
  }

  /** Writes `rows` values of a column, from the chunk's row `from` on, to the block's values from `at` on. Null for what others write. */
  private filler(column: MatrixColumn, chunk: Chunk): ((at: number, from: number, rows: number) => void) | null {
    const { values } = this.writer
    if ('timeContext' in column) {
      const circle = circleOf(column.timeContext)
      const steps = chunk.doubles(column.step)
      return (at, from, rows) => {
        for (let row = 0; row < rows; row++) values[at + row] = circle[steps[from + row] as number] as number
      }
    }
    if ('result' in column) {
      const { label } = column
      const numbers = chunk.doubles(column.result)
      return (at, from, rows) => {
        values.set(numbers.subarray(from, from + rows), at)
        if (label !== undefined) checkLabels(values, at, rows, label, this.total)
      }
    }
    if ('counted' in column) {
      return (at, _, rows) => {
        for (let row = 0; row < rows; row++) values[at + row] = this.total + row
      }
    }
    if (!('entity' in column)) return null
    const entity = this.plan.entity === null ? () => null : entityReader(chunk, this.plan.entity)
    return (at, from, rows) => {
      for (let row = 0; row < rows; row++) values[at + row] = this.number(entity(from + row))
    }
  }

  /** The number of an entity; one that has none yet gets the next. */
  private number(name: string | null): number {
    const known = this.entities.get(name)
    if (known !== undefined) return known
    this.entities.set(name, this.entities.size)
    return this.entities.size - 1
  }
}

function checkTimes(times: Float64Array, rows: number): void {
  for (let row = 0; row < rows; row++) {
    if (Math.abs(times[row] as number) > EXACT) {
      throw new DeepWatchError('timestamp_out_of_range', 'A timestamp lies outside the range that can be used.')
    }
  }
}

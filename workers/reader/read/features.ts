import { DeepWatchError } from '../../../src/errors.ts'
import { createTimeContext, rowHistory, type TimeContext } from '../../../src/kernels/history/index.ts'
import type { FeatureQuery, HistoryQuery } from '../../../src/reader/index.ts'
import { createHistories, type HistoryKeeper } from '../../../src/telemetry/index.ts'
import {
  type Chunk,
  collectOften,
  type Database,
  isValid,
  nextChunk,
  type Relation,
  requireDoubles,
  rowsOf,
  show,
  streamStatement,
  TextBuffer,
} from '../database/index.ts'
import { BlockWriter } from './blocks.ts'
import { echoChunk } from './echo.ts'
import { type FeaturePlan, type LaneSource, planFeatures } from './plan.ts'

export interface StreamLimits {
  readonly maxCells: number
  readonly maxDecodedTextBytes: number
}

/** Microseconds beyond this are not exact in a double. */
const EXACT = Number.MAX_SAFE_INTEGER

/**
 * Streams the feature matrix as block frames and returns the number of rows. A stream that did not reach its end is an
 * error: the database ends it silently, so the end is proven by a last row or by the number of rows.
 */
export async function streamFeatures(
  database: Database,
  relation: Relation,
  query: FeatureQuery,
  limits: StreamLimits,
): Promise<number> {
  const plan = planFeatures(relation, query)
  const filler = new LaneFiller(plan, query, limits)
  await drainLanes(database, plan, (chunk, rows) => filler.take(chunk, rows))
  filler.writer.flush()
  return filler.handedOut
}

/** Hands the rows of a planned stream to `take`, a chunk at a time: its first `rows` rows. Throws where it did not reach its end. */
export async function drainLanes(
  database: Database,
  plan: FeaturePlan,
  take: (chunk: Chunk, rows: number) => void,
): Promise<void> {
  if (!(await drain(database, plan, take))) await explain(database, plan)
}

/**
 * Reads the stream to its end; whether the end was proven. The next chunk is decoded, on the database's threads, while this
 * one is put into lanes.
 */
async function drain(
  database: Database,
  plan: FeaturePlan,
  take: (chunk: Chunk, rows: number) => void,
): Promise<boolean> {
  const result = await streamStatement(database.connection, plan.sql, plan.values)
  requireDoubles(result, plan.doubles)
  let proven = false
  let total = 0
  const collect = collectOften()
  let ahead = nextChunk(result)
  try {
    for (;;) {
      const chunk = await ahead
      if (chunk === null) break
      const { rows } = chunk
      ahead = nextChunk(result)
      if (proven) return false
      if (plan.proof !== null) proven = chunk.bytes(plan.proof, 1)[rows - 1] === 1
      const own = proven ? rows - 1 : rows
      take(chunk, own)
      total += own
      collect()
    }
  } finally {
    // Nothing else may run on the connection while a chunk is fetched.
    await ahead.catch(() => null)
  }
  return plan.proof === null ? total === plan.expected : proven
}

/** Finds out why a stream broke off, by a statement that must report it. Always throws. */
async function explain({ connection, feed }: Database, plan: FeaturePlan): Promise<never> {
  if (feed.failure === null) await rowsOf(connection, plan.checkSql, plan.values)
  throw new Error('the stream ended early')
}

/** Puts the columns of chunks into the lanes of blocks. */
class LaneFiller {
  readonly writer: BlockWriter
  /** Rows taken so far. */
  total = 0
  /** Rows of these that went into blocks. */
  handedOut = 0
  private readonly plan: FeaturePlan
  private readonly limits: StreamLimits
  private readonly context: TimeContext | null
  private readonly text: TextBuffer | null
  private readonly histories: HistoryLanes | null
  /** Numbers of the entities known or seen so far. */
  private readonly entities: Map<string | null, number>

  constructor(plan: FeaturePlan, query: FeatureQuery, limits: StreamLimits) {
    this.plan = plan
    this.limits = limits
    this.entities = new Map(query.entities?.map((name, number) => [Buffer.from(name).toString('latin1'), number]))
    this.text = plan.echoed.length === 0 ? null : new TextBuffer(limits.maxDecodedTextBytes)
    this.writer = new BlockWriter(plan.lanes.length, this.text, query.entities !== undefined)
    this.context = query.transitions === undefined ? null : createTimeContext(query.transitions)
    this.histories = query.history === undefined ? null : new HistoryLanes(plan, query.history)
  }

  take(chunk: Chunk, rows: number): void {
    if ((this.total + rows) * this.plan.lanes.length > this.limits.maxCells) {
      throw new DeepWatchError('decoded_too_large', `The source has more than ${this.limits.maxCells} values.`)
    }
    const columns = this.plan.lanes.map((lane) => ('column' in lane ? chunk.doubles(lane.column) : null))
    const times = this.plan.time === null ? null : chunk.doubles(this.plan.time)
    if (times !== null) checkTimes(times, rows)
    const { text } = this
    const echo = text === null ? null : echoChunk(chunk, this.plan.echoed)
    const source = this.histories === null ? null : this.histories.sourceOf(chunk, times as Float64Array)
    const entity = this.plan.entity === null ? null : entityReader(chunk, this.plan.entity)
    let from = 0
    while (from < rows) {
      const part = Math.min(rows - from, this.writer.room)
      for (let row = 0; text !== null && row < part; row++) echo?.(from + row, text)
      this.plan.lanes.forEach((lane, index) => {
        const at = index * this.writer.stride + this.writer.rows
        if ('entity' in lane) this.number(entity ?? (() => null), at, from, part)
        else this.fill(lane, at, columns[index] ?? null, times, from, part)
      })
      const { writer } = this
      const kept = source === null ? part : (this.histories as HistoryLanes).fill(source, from, part, writer)
      writer.advance(kept)
      this.handedOut += kept
      this.total += part
      from += part
    }
  }

  /** Numbers entities; those that have no number yet in the order in which they appear. */
  private number(entity: (row: number) => string | null, at: number, from: number, rows: number): void {
    const { values } = this.writer
    for (let row = 0; row < rows; row++) {
      const name = entity(from + row)
      let number = this.entities.get(name)
      if (number === undefined) {
        number = this.entities.size
        this.entities.set(name, number)
      }
      values[at + row] = number
    }
  }

  private fill(
    lane: LaneSource,
    at: number,
    column: Float64Array | null,
    times: Float64Array | null,
    from: number,
    rows: number,
  ): void {
    const { values } = this.writer
    if (column !== null) values.set(column.subarray(from, from + rows), at)
    else if ('timeContext' in lane) this.context?.fill(lane.timeContext, times as Float64Array, from, rows, values, at)
    else if ('counted' in lane) for (let row = 0; row < rows; row++) values[at + row] = this.total + row
    if ('label' in lane && lane.label !== undefined) checkLabels(values, at, rows, lane.label, this.total)
  }
}

/** Where the histories of a chunk's rows take their values from. */
interface HistorySource {
  readonly times: Float64Array
  readonly base: readonly Float64Array[]
  readonly entity: (row: number) => string | null
}

/** Fills the lanes that are derived from the trailing rows of each entity. */
class HistoryLanes {
  private readonly plan: FeaturePlan
  private readonly keeper: HistoryKeeper
  private readonly completeOnly: boolean
  /** Base values and figures of the row at hand. */
  private readonly values: Float64Array
  private readonly figures: Float64Array
  /** Per lane the index of what is derived there; null for other lanes. */
  private readonly derived: readonly (number | null)[]
  private readonly stateLane: number

  constructor(plan: FeaturePlan, { columns, derivations, mostBytes, completeOnly }: HistoryQuery) {
    this.plan = plan
    this.keeper = createHistories({ columns: columns.length, derivations }, mostBytes)
    this.completeOnly = completeOnly === true
    this.values = new Float64Array(columns.length)
    this.figures = new Float64Array(derivations.length)
    this.derived = plan.lanes.map((lane) => ('derived' in lane ? lane.derived : null))
    this.stateLane = plan.lanes.findIndex((lane) => 'history' in lane)
  }

  sourceOf(chunk: Chunk, times: Float64Array): HistorySource {
    const { base, entity } = this.plan.history as NonNullable<FeaturePlan['history']>
    return {
      times,
      base: base.map((column) => chunk.doubles(column)),
      entity: entity === null ? () => null : entityReader(chunk, entity),
    }
  }

  /**
   * Adds the derived lanes to rows that stand in the block already, and gives how many of them stay there: with `completeOnly`
   * those that lack history are overwritten by the ones behind them.
   */
  fill(source: HistorySource, from: number, rows: number, { values, stride, rows: start }: BlockWriter): number {
    const { derived, stateLane } = this
    let kept = 0
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < this.values.length; column++)
        this.values[column] = (source.base[column] as Float64Array)[from + row] as number
      const time = source.times[from + row] as number
      const state = this.keeper.take(source.entity(from + row), time, this.values, this.figures)
      if (this.completeOnly && state !== rowHistory.complete) continue
      const to = start + kept++
      for (let lane = 0; lane < derived.length; lane++) {
        const figure = derived[lane] as number | null
        if (figure !== null) values[lane * stride + to] = this.figures[figure] as number
        else if (to !== start + row) values[lane * stride + to] = values[lane * stride + start + row] as number
      }
      if (stateLane !== -1) values[stateLane * stride + to] = state
    }
    return kept
  }
}

/** The text of a row's entity, one character per byte; null where it has none. */
function entityReader(chunk: Chunk, column: number): (row: number) => string | null {
  const validity = chunk.validity(column)
  const texts = chunk.texts(column)
  return (row) => {
    if (!isValid(validity, row)) return null
    texts.at(row)
    const { bytes, start, end } = texts
    // One character per byte: enough to tell texts apart, and quick.
    return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1')
  }
}

function checkTimes(times: Float64Array, rows: number): void {
  for (let row = 0; row < rows; row++) {
    if (Math.abs(times[row] as number) > EXACT) {
      throw new DeepWatchError('timestamp_out_of_range', 'A timestamp lies outside the range that can be used.')
    }
  }
}

export function checkLabels(values: Float64Array, at: number, rows: number, name: string, first: number): void {
  for (let row = 0; row < rows; row++) {
    const value = values[at + row] as number
    if (value === 0 || value === 1 || Number.isNaN(value)) continue
    throw new DeepWatchError(
      'type_mismatch',
      `The label column ${show(name)} has a value that is not true, false, 0, 1 or null.`,
      {
        facts: { column: name.slice(0, 200), firstRows: [first + row] },
      },
    )
  }
}

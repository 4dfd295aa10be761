/**
 * Telemetry that came as JSON rows, held in memory. It answers the same questions as a reading process,
 * in the same words and with the same numbers, so that a row's score does not depend on its door.
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import { DeepWatchError } from './errors.ts'
import { createHistories, type HistoryKeeper } from './histories.ts'
import { type Block, blockRows } from './kernels/block.ts'
import { fleetBounds } from './kernels/fleet.ts'
import { rowHistory } from './kernels/history.ts'
import { createTimeContext, type TimeContext } from './kernels/time-context.ts'
import {
  type Column,
  type ColumnKind,
  type Description,
  type EntitiesQuery,
  type EntityRows,
  type FeatureBlock,
  type FeatureQuery,
  intervalRows,
  type ReadWindow,
  type Span,
  type SpanQuery,
} from './reader-types.ts'
import { quote, type Telemetry } from './telemetry.ts'
import { formatTimestamp, parseTimestamp } from './timestamps.ts'

type Row = Readonly<Record<string, unknown>>

/** What the rows hold under one key, counted in one walk. */
interface Gathered {
  readonly name: string
  numbers: number
  booleans: number
  texts: number
  /** Texts that are times; counted up to the first that is none. */
  times: number
  others: number
  /** First rows whose value is neither number, boolean nor null. */
  readonly strangers: number[]
  /** Number or 0/1 of each row, NaN for everything else; null when there is none, or when the rows are too sparse to keep them. */
  values: Float64Array | null
}

/** Values that are kept from the one walk, 32 MiB: as many as a dense body can hold. Sparse rows are read once more. */
const mostValues = 4 * 1024 * 1024
/** Fewer rows are read once more in less time than a list takes to make. */
const fewRows = 16

/** Distinct keys that rows may have: every one is looked at, however few rows have it. */
const mostColumns = 4096

/**
 * Reads rows held in memory. Nothing is copied; `close` does nothing.
 * `live` are histories that go on from earlier rows; without them each stream begins with none.
 * Errors: `too_many_columns`, and those of a reading process.
 */
export function readRows(
  rows: readonly Row[],
  columnLimit: number = mostColumns,
  live: HistoryKeeper | null = null,
): Telemetry {
  let gathered: ReadonlyMap<string, Gathered> | undefined
  let described: Description | undefined
  const columns = () => (gathered ??= gather(rows, columnLimit))
  const describe = () => (described ??= { columns: Array.from(columns().values(), describeColumn), rows: rows.length })
  return {
    describe: async () => describe(),
    span: async (query) => spanOf(rows, query),
    entities: async (query) => entitiesOf(rows, query),
    features: (query) => features(rows, columns(), query, live),
    close: async () => {},
  }
}

function gather(rows: readonly Row[], columnLimit: number): Map<string, Gathered> {
  const columns = new Map<string, Gathered>()
  // Rows are mostly alike: the column at a place is mostly that of the row before.
  const places: Gathered[] = []
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!
    let place = 0
    for (const name in row) {
      let column = places[place]
      if (column?.name !== name) {
        column = columns.get(name) ?? addColumn(columns, name, columnLimit)
        places[place] = column
      }
      place++
      const value = row[name]
      if (typeof value === 'number') {
        column.numbers++
        if (column.values) column.values[index] = value
        else if (column.numbers + column.booleans === 1) keepValues(column, index, value, rows.length, columns.size)
      } else put(column, index, value, rows.length, columns.size)
    }
  }
  return columns
}

function addColumn(columns: Map<string, Gathered>, name: string, columnLimit: number): Gathered {
  if (columns.size >= columnLimit)
    throw new DeepWatchError('too_many_columns', `A source may have ${columnLimit} columns.`, {
      facts: { limit: columnLimit },
    })
  const counts = { numbers: 0, booleans: 0, texts: 0, times: 0, others: 0 }
  const column: Gathered = { name, ...counts, strangers: [], values: null }
  columns.set(name, column)
  return column
}

/** Begins to keep the values of a column, at its first one. */
function keepValues(column: Gathered, index: number, value: number, rows: number, columns: number): void {
  if (rows < fewRows || rows * columns > mostValues) return
  column.values = new Float64Array(rows).fill(Number.NaN)
  column.values[index] = value
}

function put(column: Gathered, index: number, value: unknown, rows: number, columns: number): void {
  if (typeof value === 'boolean') {
    column.booleans++
    if (column.values) column.values[index] = Number(value)
    else if (column.numbers + column.booleans === 1) keepValues(column, index, Number(value), rows, columns)
  } else if (value !== null) {
    if (typeof value !== 'string') column.others++
    else {
      if (column.times === column.texts && parseTimestamp(value) !== null) column.times++
      column.texts++
    }
    if (column.strangers.length < 3) column.strangers.push(index)
  }
}

const typeNames: Readonly<Record<ColumnKind, string>> = {
  number: 'number',
  boolean: 'boolean',
  timestamp: 'timestamp',
  text: 'string',
  other: 'mixed',
}

function describeColumn(column: Gathered): Column {
  const kind = kindOf(column)
  const { name, numbers, booleans, texts, others, strangers } = column
  const empty = numbers + booleans + texts + others === 0
  const mixed = numbers + booleans > 0 && texts + others > 0
  const facts = { name, type: empty ? 'null' : typeNames[kind], kind, partition: false, precisionLoss: false }
  return mixed ? { ...facts, strangers: { values: texts + others, firstRows: strangers } } : facts
}

function kindOf({ numbers, booleans, texts, times, others }: Gathered): ColumnKind {
  if (texts + others === 0) return booleans > 0 && numbers === 0 ? 'boolean' : 'number'
  if (numbers + booleans + others > 0) return 'other'
  return times === texts ? 'timestamp' : 'text'
}

/** Reads one key of a row; undefined where the row has it not, also when every object has something of that name. */
function cellReader(name: string): (row: Row) => unknown {
  return name in Object.prototype ? (row) => (Object.hasOwn(row, name) ? row[name] : undefined) : (row) => row[name]
}

/** Number or 0/1 of one key of the row at a position; NaN for null, absent and everything else. */
function numberReader(rows: readonly Row[], name: string): (position: number) => number {
  const read = cellReader(name)
  return (position) => {
    const value = read(rows[position]!)
    return typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : Number.NaN
  }
}

const timeOf = (value: unknown) => (typeof value === 'string' ? parseTimestamp(value) : null)

/** Epoch microseconds of each row; NaN for null and absent. Another value is `type_mismatch`. */
function timesOf(rows: readonly Row[], name: string): Float64Array {
  const read = cellReader(name)
  return Float64Array.from(rows, (row, index) => {
    const value = read(row)
    if (value === undefined || value === null) return Number.NaN
    const time = timeOf(value)
    if (time !== null) return time
    throw new DeepWatchError('type_mismatch', `${quote(name)} is no RFC 3339 time in row ${index}.`, {
      facts: { column: name, firstRows: [index] },
    })
  })
}

function inside(time: number, { from, to, exclude }: ReadWindow): boolean {
  if (Number.isNaN(time) || (from !== null && time < from) || (to !== null && time >= to)) return false
  return !exclude.some((range) => (range.from === null || time >= range.from) && (range.to === null || time < range.to))
}

/** Positions of the rows in the window; null for all of them. */
function positionsIn(times: Float64Array | null, window: ReadWindow | undefined): Uint32Array | null {
  if (!window || !times) return null
  const positions = new Uint32Array(times.length)
  let count = 0
  for (let row = 0; row < times.length; row++) if (inside(times[row]!, window)) positions[count++] = row
  return positions.subarray(0, count)
}

function spanOf(rows: readonly Row[], { timestamp, window, interval }: SpanQuery): Span {
  const times = timestamp === undefined ? null : timesOf(rows, timestamp)
  const positions = positionsIn(times, window)
  const rowsInWindow = positions?.length ?? rows.length
  let from = Number.POSITIVE_INFINITY
  let to = Number.NEGATIVE_INFINITY
  for (let at = 0; times && at < rowsInWindow; at++) {
    const time = times[positions ? positions[at]! : at]!
    if (time < from) from = time
    if (time > to) to = time
  }
  const known = from <= to
  const span = { rows: rows.length, rowsInWindow, from: known ? from : null, to: known ? to : null }
  return interval && times ? { ...span, ...intervalOf(times, positions, entityReader(rows, interval.entity)) } : span
}

/** As `sql/interval.sql`. */
function intervalOf(
  times: Float64Array,
  positions: Uint32Array | null,
  entity: (position: number) => string | null,
): Required<Pick<Span, 'interval' | 'tied'>> {
  const byEntity = new Map<string | null, number[]>()
  const count = Math.min(intervalRows, positions?.length ?? times.length)
  for (let at = 0; at < count; at++) {
    const position = positions ? positions[at]! : at
    if (Number.isNaN(times[position]!)) continue
    const name = entity(position)
    const known = byEntity.get(name)
    if (known) known.push(times[position]!)
    else byEntity.set(name, [times[position]!])
  }
  const steps: number[] = []
  let tied = 0
  for (const known of byEntity.values()) {
    known.sort((a, b) => a - b)
    for (let at = 1; at < known.length; at++) {
      if (known[at]! > known[at - 1]!) steps.push(known[at]! - known[at - 1]!)
      else tied++
    }
  }
  steps.sort((a, b) => a - b)
  const all = steps.length + tied
  return { interval: steps[Math.ceil(steps.length / 2) - 1] ?? null, tied: all > 0 ? tied / all : null }
}

/** As `sql/entities.sql`. */
function entitiesOf(rows: readonly Row[], { entity, timestamp, window, most }: EntitiesQuery): EntityRows[] {
  const times = timestamp === undefined ? null : timesOf(rows, timestamp)
  const positions = positionsIn(times, window)
  const name = entityReader(rows, entity)
  const counts = new Map<string, number>()
  for (let at = 0; at < (positions?.length ?? rows.length); at++) {
    const found = name(positions ? positions[at]! : at)
    if (found === null || found === '' || Buffer.byteLength(found) > fleetBounds.nameBytes) continue
    counts.set(found, (counts.get(found) ?? 0) + 1)
  }
  return Array.from(counts, ([found, count]) => ({ name: found, rows: count })).slice(0, most)
}

/** The numbers of entities that have some already, found once for each list. */
const givenNumbers = new WeakMap<readonly string[], ReadonlyMap<string | null, number>>()

function numbersOf(given: readonly string[]): ReadonlyMap<string | null, number> {
  let numbers = givenNumbers.get(given)
  if (numbers === undefined) {
    numbers = new Map(given.map((name, number) => [name, number]))
    givenNumbers.set(given, numbers)
  }
  return numbers
}

/** Numbers entities: those given by their places, then the others in the order in which they appear. */
function numberEntities(rows: readonly Row[], column: string | null, given: readonly string[] = []) {
  const entity = entityReader(rows, column)
  const known = numbersOf(given)
  const others = new Map<string | null, number>()
  const names: (string | null)[] = []
  const numbers = Float64Array.from(rows, (_, position) => {
    const name = entity(position)
    let number = known.get(name) ?? others.get(name)
    if (number === undefined) {
      number = given.length + names.push(name) - 1
      others.set(name, number)
    }
    return number
  })
  const nameOf = (id: number) => (id < given.length ? given[id] : names[id - given.length]) ?? null
  return { numbers, name: nameOf }
}

/** What tells the entity of a row at a position; null for none. */
function entityReader(rows: readonly Row[], name: string | null): (position: number) => string | null {
  if (name === null) return () => null
  const read = cellReader(name)
  return (position) => {
    const value = read(rows[position]!) ?? null
    return typeof value === 'object' && value !== null ? JSON.stringify(value) : value === null ? null : String(value)
  }
}

async function* features(
  rows: readonly Row[],
  columns: ReadonlyMap<string, Gathered>,
  query: FeatureQuery,
  live: HistoryKeeper | null,
): AsyncGenerator<FeatureBlock> {
  const times = query.timestamp === undefined ? null : timesOf(rows, query.timestamp)
  const inWindow = positionsIn(times, query.window)
  const derived = query.history
    ? await derive(rows, columns, { ...query, history: query.history }, times!, inWindow, live)
    : null
  const positions = derived?.positions ?? inWindow
  const total = positions?.length ?? rows.length
  const entities = query.lanes?.entity ? numberEntities(rows, query.entity ?? null, query.entities) : null
  const lanes = lanesOf(rows, columns, query, times, derived, entities?.numbers)
  const most = Math.min(blockRows(lanes.length, query.entities !== undefined), echoedRows(query.include))
  for (let first = 0; first < total; first += most) {
    const count = Math.min(most, total - first)
    const block: Block = {
      values: new Float64Array(new SharedArrayBuffer(8 * count * lanes.length)),
      stride: count,
      rows: count,
      lanes: lanes.length,
    }
    const at = (row: number) => (positions ? positions[first + row]! : first + row)
    for (const [index, lane] of lanes.entries()) {
      const start = index * count
      if (typeof lane === 'function') for (let row = 0; row < count; row++) block.values[start + row] = lane(at(row))
      else if (positions) for (let row = 0; row < count; row++) block.values[start + row] = lane[at(row)]!
      else block.values.set(lane.subarray(first, first + count), start)
    }
    const text = query.include
      ? Array.from({ length: count }, (_, row) => members(rows[at(row)]!, query.include!))
      : null
    yield { block, first, text, entity: entities?.name, release: () => {} }
  }
}

/** Rows whose echoed names take a MiB: every row repeats them, however little it holds itself. */
function echoedRows(names: readonly string[] = []): number {
  const length = names.reduce((sum, name) => sum + name.length, 0)
  return length === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor((1024 * 1024) / length))
}

/** What was derived, by position. */
interface Derived {
  readonly lanes: readonly Float64Array[]
  /** See `rowHistory`. */
  readonly states: Float64Array
  /** Positions of the rows that are handed out; null for all of them. */
  readonly positions: Uint32Array | null
}

/** Figures after which others have a turn on the event loop: a few milliseconds. */
const figuresAtOnce = 16_384

/** Takes the rows into the histories of their entities; nobody else's rows come in between. */
async function derive(
  rows: readonly Row[],
  columns: ReadonlyMap<string, Gathered>,
  { history }: { readonly history: NonNullable<FeatureQuery['history']> },
  times: Float64Array,
  inWindow: Uint32Array | null,
  live: HistoryKeeper | null,
): Promise<Derived> {
  const { derivations, mostBytes } = history
  const keeper = live ?? createHistories({ columns: history.columns.length, derivations }, mostBytes)
  const entity = entityReader(rows, history.entity ?? null)
  const bases = history.columns.map(({ name }) => columns.get(name)?.values ?? numberReader(rows, name))
  const lanes = derivations.map(() => new Float64Array(rows.length))
  const states = new Float64Array(rows.length)
  const base = new Float64Array(bases.length)
  const figures = new Float64Array(derivations.length)
  const positions = history.completeOnly ? new Uint32Array(rows.length) : null
  const count = inWindow?.length ?? rows.length
  const rowsAtOnce = Math.ceil(figuresAtOnce / derivations.length)
  let kept = 0
  const turn = keeper.turn?.()
  try {
    await turn?.come
    for (let at = 0; at < count; at++) {
      if (at % rowsAtOnce === rowsAtOnce - 1) await nextTurn()
      const position = inWindow ? inWindow[at]! : at
      for (let column = 0; column < bases.length; column++) {
        const read = bases[column]!
        base[column] = typeof read === 'function' ? read(position) : read[position]!
      }
      const state = keeper.take(entity(position), times[position]!, base, figures)
      states[position] = state
      for (let index = 0; index < lanes.length; index++) lanes[index]![position] = figures[index]!
      if (positions && state === rowHistory.complete) positions[kept++] = position
    }
  } finally {
    turn?.leave()
  }
  return { lanes, states, positions: positions ? positions.subarray(0, kept) : inWindow }
}

/** Per lane the value at every position of a row, kept or read. */
function lanesOf(
  rows: readonly Row[],
  columns: ReadonlyMap<string, Gathered>,
  query: FeatureQuery,
  times: Float64Array | null,
  derived: Derived | null,
  entities: Float64Array | undefined,
): (Float64Array | ((position: number) => number))[] {
  const context: TimeContext | null = query.transitions ? createTimeContext(query.transitions) : null
  const fillers = query.features.map((lane) => {
    if ('timeContext' in lane) return (position: number) => context!.value(lane.timeContext, times![position]!)
    if ('derived' in lane) return derived!.lanes[lane.derived]!
    return columns.get(lane.name)?.values ?? numberReader(rows, lane.name)
  })
  if (entities) fillers.push(entities)
  const { row, timestamp, label, history } = query.lanes ?? {}
  if (row) fillers.push((position) => position)
  if (timestamp) fillers.push((position) => times?.[position] ?? Number.NaN)
  if (label !== undefined) fillers.push(labelFiller(rows, label))
  if (history) fillers.push(derived!.states)
  return fillers
}

function labelFiller(rows: readonly Row[], name: string): (position: number) => number {
  const read = numberReader(rows, name)
  return (position) => {
    const value = read(position)
    if (Number.isNaN(value) || value === 0 || value === 1) return value
    throw new DeepWatchError(
      'type_mismatch',
      `${quote(name)} is ${value} in row ${position}; labels are true, false, 1, 0 and null.`,
      { facts: { column: name, firstRows: [position] } },
    )
  }
}

/** The named columns of a row as members of a JSON object, without braces; times as RFC 3339 in UTC. */
function members(row: Row, names: readonly string[]): string {
  return names
    .map((name) => {
      const value = cellReader(name)(row) ?? null
      const time = timeOf(value)
      return `${JSON.stringify(name)}:${JSON.stringify(time === null ? value : formatTimestamp(time))}`
    })
    .join(',')
}

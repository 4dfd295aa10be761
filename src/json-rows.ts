/**
 * Telemetry that came as JSON rows, held in memory. It answers the same questions as a reading process,
 * in the same words and with the same numbers, so that a row's score does not depend on its door.
 */
import { DeepWatchError } from './errors.ts'
import { type Block, blockRows } from './kernels/block.ts'
import { createTimeContext, type TimeContext } from './kernels/time-context.ts'
import type { Column, ColumnKind, Description, FeatureBlock, FeatureQuery, ReadWindow, Span } from './reader-types.ts'
import { quote, type Telemetry } from './telemetry.ts'
import { formatTimestamp, parseTimestamp } from './timestamps.ts'

type Row = Readonly<Record<string, unknown>>

/** What one key of the rows holds, counted while its values are gathered. */
interface Gathered {
  /** Number or 0/1 of each row; NaN for null, absent and everything else. */
  readonly values: Float64Array
  numbers: number
  booleans: number
  texts: number
  others: number
  /** First rows whose value is neither number, boolean nor null. */
  readonly strangers: number[]
}

/** Reads rows held in memory. Nothing is copied but numbers; `close` does nothing. */
export function readRows(rows: readonly Row[]): Telemetry {
  let gathered: Map<string, Gathered> | undefined
  const columns = () => (gathered ??= gather(rows))
  let described: Description | undefined
  const describe = () =>
    (described ??= {
      columns: [...columns()].map(([name, column]) => describeColumn(rows, name, column)),
      rows: rows.length,
    })
  return {
    describe: async () => describe(),
    span: async (query) => spanOf(rows, query),
    features: (query) => features(rows, columns(), query),
    close: async () => {},
  }
}

function gather(rows: readonly Row[]): Map<string, Gathered> {
  const columns = new Map<string, Gathered>()
  for (let index = 0; index < rows.length; index++) {
    const row = rows[index]!
    for (const name of Object.keys(row)) {
      let column = columns.get(name)
      if (!column) {
        column = {
          values: new Float64Array(rows.length).fill(Number.NaN),
          numbers: 0,
          booleans: 0,
          texts: 0,
          others: 0,
          strangers: [],
        }
        columns.set(name, column)
      }
      put(column, index, row[name])
    }
  }
  return columns
}

function put(column: Gathered, index: number, value: unknown): void {
  if (typeof value === 'number') {
    column.values[index] = value
    column.numbers++
  } else if (typeof value === 'boolean') {
    column.values[index] = value ? 1 : 0
    column.booleans++
  } else if (value !== null) {
    if (typeof value === 'string') column.texts++
    else column.others++
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

function describeColumn(rows: readonly Row[], name: string, column: Gathered): Column {
  const kind = kindOf(rows, name, column)
  const { numbers, booleans, texts, others, strangers } = column
  const empty = numbers + booleans + texts + others === 0
  const mixed = numbers + booleans > 0 && texts + others > 0
  const facts = { name, type: empty ? 'null' : typeNames[kind], kind, partition: false, precisionLoss: false }
  return mixed ? { ...facts, strangers: { values: texts + others, firstRows: strangers } } : facts
}

function kindOf(rows: readonly Row[], name: string, { numbers, booleans, texts, others }: Gathered): ColumnKind {
  if (texts + others === 0) return booleans > 0 && numbers === 0 ? 'boolean' : 'number'
  if (numbers + booleans + others > 0) return 'other'
  const isTime = rows.every((row) => row[name] === undefined || row[name] === null || timeOf(row[name]) !== null)
  return isTime ? 'timestamp' : 'text'
}

const timeOf = (value: unknown) => (typeof value === 'string' ? parseTimestamp(value) : null)

/** Epoch microseconds of each row; NaN for null and absent. Another value is `type_mismatch`. */
function timesOf(rows: readonly Row[], name: string): Float64Array {
  return Float64Array.from(rows, (row, index) => {
    const value = row[name]
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

function spanOf(
  rows: readonly Row[],
  { timestamp, window }: { timestamp?: string | undefined; window?: ReadWindow | undefined },
): Span {
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
  return { rows: rows.length, rowsInWindow, from: known ? from : null, to: known ? to : null }
}

async function* features(
  rows: readonly Row[],
  columns: ReadonlyMap<string, Gathered>,
  query: FeatureQuery,
): AsyncGenerator<FeatureBlock> {
  const times = query.timestamp === undefined ? null : timesOf(rows, query.timestamp)
  const positions = positionsIn(times, query.window)
  const total = positions?.length ?? rows.length
  const lanes = laneFillers(columns, query, times)
  const most = blockRows(lanes.length)
  for (let first = 0; first < total; first += most) {
    const count = Math.min(most, total - first)
    const block: Block = {
      values: new Float64Array(new SharedArrayBuffer(8 * count * lanes.length)),
      stride: count,
      rows: count,
      lanes: lanes.length,
    }
    const at = (row: number) => (positions ? positions[first + row]! : first + row)
    lanes.forEach((fill, lane) => {
      for (let row = 0; row < count; row++) block.values[lane * count + row] = fill(at(row))
    })
    const text = query.include
      ? Array.from({ length: count }, (_, row) => members(rows[at(row)]!, query.include!))
      : null
    yield { block, first, text, release: () => {} }
  }
}

/** One function per lane, from the position of a row to its value. */
function laneFillers(
  columns: ReadonlyMap<string, Gathered>,
  query: FeatureQuery,
  times: Float64Array | null,
): ((position: number) => number)[] {
  const context: TimeContext | null = query.transitions ? createTimeContext(query.transitions) : null
  const fillers = query.features.map((lane) => {
    if ('timeContext' in lane) return (position: number) => context!.value(lane.timeContext, times![position]!)
    const values = columns.get(lane.name)?.values
    return (position: number) => values?.[position] ?? Number.NaN
  })
  const { row, timestamp, label } = query.lanes ?? {}
  if (row) fillers.push((position) => position)
  if (timestamp) fillers.push((position) => times?.[position] ?? Number.NaN)
  if (label !== undefined) fillers.push(labelFiller(columns, label))
  return fillers
}

function labelFiller(columns: ReadonlyMap<string, Gathered>, name: string): (position: number) => number {
  const values = columns.get(name)?.values
  return (position) => {
    const value = values?.[position] ?? Number.NaN
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
      const value = row[name] ?? null
      const time = timeOf(value)
      return `${JSON.stringify(name)}:${JSON.stringify(time === null ? value : formatTimestamp(time))}`
    })
    .join(',')
}

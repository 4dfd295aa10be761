/**
 * The complete reader of JSON rows: telemetry held in memory. It answers the same questions as a reading process,
 * in the same words and with the same numbers, so that a row's score does not depend on its door.
 */
import { DeepWatchError } from '../errors.ts'
import { flattenRow, type Row } from '../json/index.ts'
import { type Block, blockRows, shareBytes } from '../kernels/index.ts'
import type { FeatureBlock, FeatureQuery, SourceReading } from '../reader/index.ts'
import { formatTimestamp } from '../time/index.ts'
import type { HistoryKeeper } from './histories.ts'
import { cellReader, entityReader, numberReader, positionsIn, timeOf } from './json-cells.ts'
import { type Derived, derive } from './json-derived.ts'
import { entitiesOf, growingOf, spanOf } from './json-span.ts'
import { JsonTable } from './json-table.ts'
import { quote } from './quote.ts'
import type { Telemetry } from './telemetry.ts'
import { createTimeContext } from './time-context.ts'

/** Distinct keys that rows may have. */
const maxColumns = 4096

interface RowsOptions {
  readonly reading?: SourceReading | undefined
  /** Histories that go on from earlier rows; without them each stream begins with none. */
  readonly live?: HistoryKeeper | null
  readonly columnLimit?: number
}

/**
 * Reads rows held in memory. Nothing is copied; `close` does nothing.
 * Errors: `too_many_columns`, and those of a reading process.
 */
export function readRows(
  rows: readonly Row[],
  { reading = {}, live = null, columnLimit = maxColumns }: RowsOptions = {},
): Telemetry {
  const table = new JsonTable(reading.flatten ? rows.map(flattenRow) : rows, reading, columnLimit)
  return {
    describe: async () => table.describe(),
    span: async (query) => spanOf(table, query),
    entities: async (query) => entitiesOf(table, query),
    growing: async (query) => growingOf(table, query),
    features: (query) => features(table, query, live),
    close: async () => {},
  }
}

async function* features(
  table: JsonTable,
  query: FeatureQuery,
  live: HistoryKeeper | null,
): AsyncGenerator<FeatureBlock> {
  const { rows } = table
  const times = table.times(query.timestamp)
  const inWindow = positionsIn(rows, times, query.window)
  const derived = query.history ? await derive(table, query.history, times!, inWindow, live) : null
  const positions = derived?.positions ?? inWindow
  const entities = query.extra?.entity ? numberEntities(rows, query.entity ?? null, query.entities) : null
  const readers = columnReaders(table, query, times, derived, entities?.numbers)
  const max = Math.min(blockRows(readers.length, query.entities !== undefined), echoedRows(query.include))
  const { include } = query
  for (let first = 0; first < positions.length; first += max) {
    const part = positions.subarray(first, first + max)
    const text = include ? Array.from(part, (position) => members(table, rows[position]!, include)) : null
    yield { block: fillBlock(readers, part), first, text, entity: entities?.name, release: () => {} }
  }
}

/** The value of one column of a block, by the position of the row in the source. */
type ColumnReader = (position: number) => number

function fillBlock(readers: readonly ColumnReader[], positions: Uint32Array): Block {
  const rows = positions.length
  const values = new Float64Array(shareBytes(8 * rows * readers.length))
  for (const [column, read] of readers.entries())
    for (let row = 0; row < rows; row++) values[column * rows + row] = read(positions[row]!)
  return { values, stride: rows, rows, columns: readers.length }
}

/** Rows whose echoed names take a MiB: every row repeats them, however little it holds itself. */
function echoedRows(names: readonly string[] = []): number {
  const length = names.reduce((sum, name) => sum + name.length, 0)
  return length === 0 ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor((1024 * 1024) / length))
}

/** The numbers of entities that have some already, found once for each list. */
const givenNumbers = new WeakMap<readonly string[], ReadonlyMap<string | null, number>>()

/** Numbers entities: those given by their places, then the others in the order in which they appear. */
function numberEntities(rows: readonly Row[], column: string | null, given: readonly string[] = []) {
  const entity = entityReader(rows, column)
  const known = givenNumbers.get(given) ?? new Map(given.map((name, number) => [name, number]))
  givenNumbers.set(given, known)
  const others = new Map<string | null, number>()
  const numbers = Float64Array.from(rows, (_, position) => {
    const name = entity(position)
    const number = known.get(name) ?? others.get(name) ?? given.length + others.size
    if (number === given.length + others.size) others.set(name, number)
    return number
  })
  const names = [...others.keys()]
  return { numbers, name: (id: number) => given[id] ?? names[id - given.length] ?? null }
}

/** The features in their order, then what was asked for beside them, in the order of `placesOf`. */
function columnReaders(
  { rows, nulls }: JsonTable,
  query: FeatureQuery,
  times: Float64Array | null,
  derived: Derived | null,
  entities: Float64Array | undefined,
): ColumnReader[] {
  const context = query.transitions ? createTimeContext(query.transitions) : null
  const readers = query.features.map((feature): ColumnReader => {
    if ('timeContext' in feature) return (position) => context!.value(feature.timeContext, times![position]!)
    if ('derived' in feature) return (position) => derived!.columns[feature.derived]![position]!
    return numberReader(rows, feature.name, nulls)
  })
  if (entities) readers.push((position) => entities[position]!)
  const { row, timestamp, label, labelUnchecked, history } = query.extra ?? {}
  if (row) readers.push((position) => position)
  if (timestamp) readers.push((position) => times?.[position] ?? Number.NaN)
  if (label !== undefined) {
    const read = numberReader(rows, label, nulls)
    readers.push(labelUnchecked ? read : labelReader(read, label))
  }
  if (history) readers.push((position) => derived!.states[position]!)
  return readers
}

function labelReader(read: ColumnReader, name: string): ColumnReader {
  return (position) => {
    const value = read(position)
    if (Number.isNaN(value) || value === 0 || value === 1) return value
    const detail = `${quote(name)} is ${value} in row ${position}; labels are true, false, 1, 0 and null.`
    throw new DeepWatchError('type_mismatch', detail, { facts: { column: name, firstRows: [position] } })
  }
}

/** The named columns of a row as members of a JSON object, without braces; times as RFC 3339 in UTC. */
function members(table: JsonTable, row: Row, names: readonly string[]): string {
  return names
    .map((name) => {
      const value = cellReader(name)(row) ?? null
      const time = table.timeOf(name, value) ?? timeOf(value)
      return `${JSON.stringify(name)}:${JSON.stringify(time === null ? value : formatTimestamp(time))}`
    })
    .join(',')
}

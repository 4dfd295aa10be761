/** The columns of JSON rows: which there are, and of what kind, found in one walk. */
import { DeepWatchError } from '../errors.ts'
import type { Row } from '../json/index.ts'
import type { Column, ColumnKind } from '../reader/index.ts'
import { parseTimestamp } from '../time/index.ts'

/** What the rows hold under one key, counted in one walk. */
export interface Gathered {
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

/** Every column that some row has, in the order in which they appear. Errors: `too_many_columns`. */
export function gather(rows: readonly Row[], columnLimit: number): Map<string, Gathered> {
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

/** A column as a reading process would describe it. */
export function describeColumn(column: Gathered): Column {
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

/** The columns of JSON rows: which there are, and of what kind, found in one walk. */
import { DeepWatchError } from '../errors.ts'
import type { Row } from '../json/index.ts'
import type { Column, ColumnKind } from '../reader/index.ts'
import { parseTimestamp } from '../time/index.ts'

/** What the rows hold under one key, counted in one walk. */
export interface ColumnCounts {
  readonly name: string
  numbers: number
  booleans: number
  texts: number
  /** Texts that are times; counted up to the first that is none. */
  times: number
  others: number
  /** First rows whose value is neither number, boolean nor null. */
  readonly firstMistyped: number[]
}

/** Every column that some row has, in the order in which they appear. Errors: `too_many_columns`. */
export function countColumns(rows: readonly Row[], columnLimit: number): ColumnCounts[] {
  const columns = new Map<string, ColumnCounts>()
  for (const [index, row] of rows.entries()) {
    for (const name in row) {
      const column = columns.get(name) ?? addColumn(columns, name, columnLimit)
      const value = row[name]
      if (typeof value === 'number') column.numbers++
      else if (typeof value === 'boolean') column.booleans++
      else if (value !== null) countOther(column, value, index)
    }
  }
  return [...columns.values()]
}

function addColumn(columns: Map<string, ColumnCounts>, name: string, columnLimit: number): ColumnCounts {
  if (columns.size >= columnLimit) {
    const detail = `A source may have ${columnLimit} columns.`
    throw new DeepWatchError('too_many_columns', detail, { facts: { limit: columnLimit } })
  }
  const column = { name, numbers: 0, booleans: 0, texts: 0, times: 0, others: 0, firstMistyped: [] }
  columns.set(name, column)
  return column
}

function countOther(column: ColumnCounts, value: unknown, row: number): void {
  if (typeof value !== 'string') column.others++
  else {
    if (column.times === column.texts && parseTimestamp(value) !== null) column.times++
    column.texts++
  }
  if (column.firstMistyped.length < 3) column.firstMistyped.push(row)
}

const typeNames: Readonly<Record<ColumnKind, string>> = {
  number: 'number',
  boolean: 'boolean',
  timestamp: 'timestamp',
  text: 'string',
  other: 'mixed',
}

/** A column as a reading process would describe it. */
export function describeColumn(column: ColumnCounts): Column {
  const kind = kindOf(column)
  const { name, numbers, booleans, texts, others, firstMistyped } = column
  const empty = numbers + booleans + texts + others === 0
  const mixed = numbers + booleans > 0 && texts + others > 0
  const facts = { name, type: empty ? 'null' : typeNames[kind], kind, partition: false, precisionLoss: false }
  return mixed ? { ...facts, mistyped: { values: texts + others, firstRows: firstMistyped } } : facts
}

function kindOf({ numbers, booleans, texts, times, others }: ColumnCounts): ColumnKind {
  if (texts + others === 0) return booleans > 0 && numbers === 0 ? 'boolean' : 'number'
  if (numbers + booleans + others > 0) return 'other'
  return times === texts ? 'timestamp' : 'text'
}

/** The columns of JSON objects, in a body or in NDJSON: which there are, and of what kind, found in one walk. */
import { DeepWatchError } from '../errors.ts'
import { wordNumber } from '../formats/index.ts'
import type { Row } from '../json/index.ts'
import type { Column, ColumnKind } from '../reader/index.ts'
import { parseTimestamp } from '../time/index.ts'

/** What the rows hold under one key, counted in one walk. */
export interface ColumnCounts {
  readonly name: string
  numbers: number
  /** Whole numbers beyond 2^53, of which a double holds some alone; a JSON text does not tell which it was. */
  unsafe: number
  booleans: number
  texts: number
  /** Texts that are times. */
  times: number
  /** Texts that stand for a missing value, or for an infinity, among numbers. */
  words: number
  others: number
  /** First rows whose value is neither number, boolean nor missing. */
  readonly firstMistyped: number[]
}

/** Every column that some row has, in the order in which they appear. Errors: `too_many_columns`. */
export function countColumns(
  rows: readonly Row[],
  columnLimit: number,
  nullValues: ReadonlySet<string>,
): ColumnCounts[] {
  const columns = new Map<string, ColumnCounts>()
  for (const [index, row] of rows.entries()) {
    for (const name in row) {
      const column = columns.get(name) ?? addColumn(columns, name, columnLimit)
      countValue(column, row[name], index, nullValues)
    }
  }
  return [...columns.values()]
}

function addColumn(columns: Map<string, ColumnCounts>, name: string, columnLimit: number): ColumnCounts {
  if (columns.size >= columnLimit) {
    const detail = `A source may have ${columnLimit} columns.`
    throw new DeepWatchError('too_many_columns', detail, { facts: { limit: columnLimit } })
  }
  const column = noCounts(name)
  columns.set(name, column)
  return column
}

export const noCounts = (name: string): ColumnCounts => ({
  name,
  numbers: 0,
  unsafe: 0,
  booleans: 0,
  texts: 0,
  times: 0,
  words: 0,
  others: 0,
  firstMistyped: [],
})

/** Counts one value. @param nullValues further words for a missing value */
export function countValue(column: ColumnCounts, value: unknown, row: number, nullValues: ReadonlySet<string>): void {
  if (typeof value === 'number') {
    column.numbers++
    if (Number.isInteger(value) && !Number.isSafeInteger(value)) column.unsafe++
  } else if (typeof value === 'boolean') column.booleans++
  else if (value !== null) countOther(column, value, row, nullValues)
}

function countOther(column: ColumnCounts, value: unknown, row: number, nullValues: ReadonlySet<string>): void {
  if (typeof value !== 'string') column.others++
  else {
    const isWord = wordNumber(value, nullValues) !== null
    if (isWord) column.words++
    // Once a text is no time the column is none, and the rest need not be looked at.
    else if (column.times + column.words === column.texts && parseTimestamp(value) !== null) column.times++
    column.texts++
    if (isWord) return
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

/** A column as it is described to others. @param given what a model says that it is */
export function describeColumn(counts: ColumnCounts, given?: ColumnKind): Column {
  const kind = given ?? kindOf(counts)
  const { name, numbers, booleans, texts, words, others, firstMistyped } = counts
  const misfits = texts - words + others
  const empty = given === undefined && numbers + booleans + misfits === 0
  const mixed = given === undefined && numbers + booleans > 0 && misfits > 0
  const facts = {
    name,
    type: empty ? 'null' : typeNames[kind],
    kind,
    partition: false,
    precisionLoss: counts.unsafe > 0,
  }
  return mixed ? { ...facts, mistyped: { values: misfits, firstRows: firstMistyped } } : facts
}

function kindOf({ numbers, booleans, texts, times, words, others }: ColumnCounts): ColumnKind {
  const plainTexts = texts - words
  if (plainTexts + others === 0) return booleans > 0 && numbers === 0 ? 'boolean' : 'number'
  if (numbers + booleans + others > 0) return 'other'
  return times === plainTexts ? 'timestamp' : 'text'
}

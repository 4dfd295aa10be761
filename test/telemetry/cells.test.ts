/**
 * One table: every kind of cell, in every kind of column, and every kind of name, through the small batch, the complete reader and the four
 * file formats of the real app. A row gets the same verdict from all of them: the same score to the bit, or the same refusal.
 * Where a format cannot say what JSON says, or reads it by a rule of its own, `exceptions` says so, with the reason.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import {
  Bool,
  type DataType,
  Field,
  Float64,
  Int64,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Table,
  TimestampMicrosecond,
  tableToIPC,
  Utf8,
  vectorFromArray,
} from 'apache-arrow'
import { beforeAll, describe, expect, test } from 'vitest'
import { parseBody } from '../../src/json/body.ts'
import { SmallBatch } from '../../src/json/small-batch.ts'
import { freshFolder } from '../endings.ts'
import { type HttpApp, outcome, type Reply, serveApp, smallForest } from '../http/client.ts'
import { writeParquet } from '../reader/tools.ts'

/** One cell in the words of each format. */
interface Cell {
  /** As JSON text; NDJSON has the same. */
  readonly json: string
  readonly csv: string
  /** An SQL expression of the type that the column has in Parquet. */
  readonly sql: string
  readonly arrow: readonly [unknown, DataType]
}
/** One row: its cells by column. */
type CellRow = ReadonlyMap<string, Cell>

const inQuotes = (text: string) => `"${text.replaceAll('"', '""')}"`
const number = (text: string): Cell => ({
  json: text,
  csv: text,
  sql: Number.isFinite(Number(text)) ? `${text}::double` : `'${Number(text) > 0 ? '' : '-'}infinity'::double`,
  arrow: [Number(text), new Float64()],
})
const integer = (text: string): Cell => ({
  json: text,
  csv: text,
  sql: `${text}::bigint`,
  arrow: [BigInt(text), new Int64()],
})
const boolean = (value: boolean): Cell => ({
  json: String(value),
  csv: String(value),
  sql: `${value}::boolean`,
  arrow: [value, new Bool()],
})
const text = (value: string): Cell => ({
  json: JSON.stringify(value),
  csv: inQuotes(value),
  sql: `'${value}'::varchar`,
  arrow: [value, new Utf8()],
})
const time = (value: string): Cell => ({
  ...text(value),
  csv: value,
  sql: `'${value.replace('Z', '')}'::timestamp`,
  arrow: [new Date(value), new TimestampMicrosecond()],
})
const nothing = (sqlType: string, arrowType: DataType): Cell => ({
  json: 'null',
  csv: '',
  sql: `null::${sqlType}`,
  arrow: [null, arrowType],
})

/** The columns of the model: what a usual row holds, and null in the type of the column. */
const columns = {
  double: { usual: number('0.5'), nothing: nothing('double', new Float64()) },
  integer: { usual: integer('3'), nothing: nothing('bigint', new Int64()) },
  boolean: { usual: boolean(true), nothing: nothing('boolean', new Bool()) },
  timestamp: { usual: time('2026-01-05T10:00:00Z'), nothing: nothing('timestamp', new TimestampMicrosecond()) },
  text: { usual: text('web-1'), nothing: nothing('varchar', new Utf8()) },
}
type ColumnName = keyof typeof columns
const columnNames = Object.keys(columns) as ColumnName[]

const cells: Readonly<Record<string, Cell | 'null' | 'absent'>> = {
  integer: integer('4'),
  float: number('0.25'),
  exponent: number('2.5E-1'),
  'many digits': number('0.12345678901234567'),
  'minus zero': number('-0'),
  'beyond 2^53': integer('9007199254740993'),
  huge: number('1e400'),
  'very small': number('5e-324'),
  'too small': number('1e-400'),
  true: boolean(true),
  false: boolean(false),
  null: 'null',
  absent: 'absent',
  text: text('web-2'),
  'numeric text': text('12.5'),
  'empty text': text(''),
  'text NaN': text('NaN'),
  'text time': text('2026-01-05T11:00:00Z'),
  time: time('2026-01-05T11:00:00.25Z'),
  'nested object': {
    json: '{"a":1}',
    csv: inQuotes('{"a":1}'),
    sql: `{'a': 1::double}`,
    arrow: [{ a: 1 }, new Struct([new Field('a', new Float64())])],
  },
  list: {
    json: '[1]',
    csv: inQuotes('[1]'),
    sql: '[1::double]',
    arrow: [[1], new List(new Field('item', new Float64()))],
  },
}

const names = {
  plain: 'cpu',
  'with a space': 'cpu load',
  'with quotes': `a"b'c`,
  unicode: 'größe µs 😀',
  'of a method': 'toString',
  constructor: 'constructor',
  dotted: 'a.b[0]',
  'like a number': '10',
  'with a line end': 'a\nb',
  'case twin': 'Y',
  empty: '',
  prototype: '__proto__',
}

const doors = ['small batch', 'ndjson', 'csv', 'parquet', 'arrow'] as const
type Door = (typeof doors)[number] | 'complete reader'

const numbers = ['integer', 'float', 'exponent', 'many digits', 'beyond 2^53', 'very small']
const zeros = ['minus zero', 'too small']

interface Exception {
  readonly doors: readonly Door[]
  /** Columns and cells, or kinds of name. */
  readonly columns?: readonly ColumnName[]
  readonly cells: readonly string[]
  /** What comes instead: the code of a refusal, the reason why there is no score, or `scored`. */
  readonly verdict: string
  readonly why: string
}

/** Every verdict that is not the one of the complete reader. */
const exceptions: readonly Exception[] = [
  {
    doors: ['ndjson'],
    columns: columnNames,
    cells: ['huge'],
    verdict: 'source_unreadable',
    why: 'What is no JSON value in a body is named by its place; in a file it makes the line unreadable.',
  },
  {
    doors: ['csv', 'parquet', 'arrow'],
    columns: ['double', 'integer'],
    cells: ['huge'],
    verdict: 'non_finite_value',
    why: 'These formats have infinity, and its row has no score; JSON has it not.',
  },
  {
    doors: ['parquet', 'arrow'],
    columns: ['boolean'],
    cells: ['huge'],
    verdict: 'non_finite_value',
    why: 'As above: a typed column of numbers passes for a boolean feature.',
  },
  {
    doors: ['csv', 'parquet', 'arrow'],
    columns: ['timestamp'],
    cells: ['huge'],
    verdict: 'ambiguous_timestamp',
    why: 'As above: infinity is a number, and a number is no time.',
  },
  {
    doors: ['csv', 'parquet', 'arrow'],
    columns: ['text'],
    cells: ['huge'],
    verdict: 'scored',
    why: 'As above: the value of this column is not looked at.',
  },
  {
    doors: ['csv'],
    columns: ['double', 'integer'],
    cells: ['true', 'false'],
    verdict: 'type_mismatch',
    why: 'A numeric feature is read from CSV as numbers alone.',
  },
  {
    doors: ['csv'],
    columns: ['double', 'integer'],
    cells: ['numeric text'],
    verdict: 'scored',
    why: 'CSV has no types: quotes do not make a text of a number.',
  },
  {
    doors: ['csv'],
    columns: ['timestamp'],
    cells: ['numeric text'],
    verdict: 'ambiguous_timestamp',
    why: 'As above.',
  },
  {
    doors: ['csv'],
    columns: ['boolean'],
    cells: [...numbers, ...zeros, 'huge'],
    verdict: 'type_mismatch',
    why: 'A boolean feature is read from CSV as true and false alone.',
  },
  {
    doors: ['ndjson'],
    columns: ['boolean'],
    cells: numbers,
    verdict: 'type_mismatch',
    why: 'A boolean feature is read from NDJSON as booleans, 0 and 1 alone; a JSON body gives any number to it.',
  },
  {
    doors: ['ndjson', 'csv', 'arrow'],
    cells: ['case twin'],
    verdict: 'duplicate_column',
    why: 'The database of the reading process does not tell names apart by case.',
  },
  {
    doors: ['parquet'],
    cells: ['case twin'],
    verdict: 'missing_feature',
    why: 'As above: the database that writes this file names the second of them anew.',
  },
  {
    doors: ['ndjson', 'arrow'],
    cells: ['empty'],
    verdict: 'invalid_column_name',
    why: 'The database has no column without a name.',
  },
  {
    doors: ['csv'],
    cells: ['empty'],
    verdict: 'missing_feature',
    why: 'A column without a name gets one of its place.',
  },
  {
    doors: ['parquet', 'arrow'],
    columns: ['double', 'integer', 'boolean'],
    cells: ['empty text', 'text NaN'],
    verdict: 'type_mismatch',
    why: 'Typed formats have nulls of their own; a column of texts is no feature.',
  },
  {
    doors: ['ndjson'],
    cells: ['prototype'],
    verdict: 'source_unreadable',
    why: 'As for a number too large: the same refusal, of a line.',
  },
  {
    doors: ['csv', 'parquet', 'arrow'],
    cells: ['prototype'],
    verdict: 'scored',
    why: 'The name is dangerous in JSON alone.',
  },
]

function exceptionFor(door: Door, cell: string, column?: ColumnName): Exception | undefined {
  const found = exceptions.filter(
    (each) =>
      each.doors.includes(door) &&
      each.cells.includes(cell) &&
      (column ? each.columns?.includes(column) : each.columns === undefined),
  )
  expect(found.length, `exceptions for ${cell}, ${column}, ${door}`).toBeLessThan(2)
  return found[0]
}

const types = {
  ndjson: 'application/x-ndjson',
  csv: 'text/csv',
  parquet: 'application/vnd.apache.parquet',
  arrow: 'application/vnd.apache.arrow.stream',
}

let app: HttpApp
let folder: string
let files = 0

beforeAll(async () => {
  folder = await freshFolder()
  app = await serveApp()
})

const jsonRow = (row: CellRow) =>
  `{${Array.from(row, ([name, { json }]) => `${JSON.stringify(name)}:${json}`).join(',')}}`
const csvLine = (fields: readonly string[]) => `${fields.join(',')}\n`

async function parquetOf(row: CellRow): Promise<Buffer> {
  const path = join(folder, `${files++}.parquet`)
  await writeParquet(path, `select ${Array.from(row, ([name, { sql }]) => `${sql} as ${inQuotes(name)}`).join(', ')}`)
  return readFile(path)
}

function arrowOf(row: CellRow): Buffer {
  const fields = Array.from(row, ([name, { arrow }]) => new Field(name, arrow[1], true))
  const children = Array.from(row.values(), ({ arrow }) => vectorFromArray([arrow[0]], arrow[1]).data[0]!)
  const data = makeData({ type: new Struct(fields), length: 1, children })
  return Buffer.from(tableToIPC(new Table(new RecordBatch(new Schema(fields), data)), 'stream'))
}

const bodyOf = (model: string, rows: readonly CellRow[]) => `{"model":"${model}","rows":[${rows.map(jsonRow)}]}`

function isSmallBatch(rows: readonly CellRow[]): boolean {
  try {
    return (parseBody(Buffer.from(bodyOf('cells', rows))) as { rows: unknown }).rows instanceof SmallBatch
  } catch {
    return false
  }
}

function sendJson(path: string, body: string): Promise<Reply> {
  return app.send('POST', path, { body, headers: { 'content-type': 'application/json' } })
}

/** Scores rows; CSV, Parquet and Arrow take the first alone. */
async function send(model: string, door: Door, rows: readonly CellRow[]): Promise<Reply> {
  const body = bodyOf(model, rows)
  if (door === 'small batch') return sendJson('/score', body)
  // In a body beyond 64 KiB rows are no small batch.
  if (door === 'complete reader') return sendJson('/score', body.padEnd(65 * 1024))
  const row = rows[0]!
  const file = {
    ndjson: () => rows.map((each) => `${jsonRow(each)}\n`).join(''),
    csv: () => csvLine([...row.keys()].map(inQuotes)) + csvLine(Array.from(row.values(), ({ csv }) => csv)),
    parquet: () => parquetOf(row),
    arrow: () => arrowOf(row),
  }[door]()
  const headers = { 'content-type': types[door] }
  return app.send('POST', `/score?model=${model}&return=all`, { body: await file, headers })
}

interface Verdict {
  readonly door: Door
  /** As `Exception.verdict`. */
  readonly short: string
  /** Everything that is said about the rows; scores to the bit. */
  readonly whole: unknown
}

async function verdictOf(model: string, door: Door, rows: readonly CellRow[]): Promise<Verdict> {
  const reply = await send(model, door, rows)
  if (reply.status !== 200) return { door, short: reply.json<{ code: string }>().code, whole: outcome(reply) }
  const { results } = reply.json<{ results: { reason?: string }[] }>()
  return { door, short: results[0]?.reason ?? 'scored', whole: results }
}

/** Sends one row through every door, and compares with the complete reader. */
async function compare(model: string, row: CellRow, cell: string, column?: ColumnName): Promise<void> {
  const expected = await verdictOf(model, 'complete reader', [row])
  // The database that writes the Parquet files cannot write this name.
  const others = doors.filter((door) => door !== 'parquet' || cell !== 'empty')
  for (const { door, short, whole } of await Promise.all(others.map((door) => verdictOf(model, door, [row])))) {
    const exception = exceptionFor(door, cell, column)
    const what = `${cell}, ${column ?? 'name'}, ${door}`
    if (exception) {
      expect(short, what).toBe(exception.verdict)
      expect(whole, `${what} is no exception any more`).not.toEqual(expected.whole)
    } else expect(whole, what).toEqual(expected.whole)
  }
}

describe('a cell', () => {
  beforeAll(async () => {
    const rows = Array.from({ length: 64 }, (_, n) => ({
      double: Math.sin(n),
      integer: n % 9,
      boolean: n % 3 > 0,
      timestamp: new Date(Date.UTC(2026, 0, 1) + n * 3_600_000).toISOString(),
      text: `web-${n % 2}`,
    }))
    const settings = { entity: 'text', features: ['double', 'integer', 'boolean'], detector: smallForest }
    expect(outcome(await app.post('/train', { model: 'cells', rows, ...settings }))).toBe('201')
  })

  const rowWith = (column: ColumnName, cell: Cell | 'null' | 'absent'): CellRow => {
    const row = new Map<string, Cell>()
    for (const name of columnNames) {
      if (name !== column) row.set(name, columns[name].usual)
      else if (cell === 'null') row.set(name, columns[name].nothing)
      else if (cell !== 'absent') row.set(name, cell)
    }
    return row
  }

  test.each(Object.keys(cells))('%s, in every column', { timeout: 120_000 }, async (cell) => {
    await Promise.all(columnNames.map((column) => compare('cells', rowWith(column, cells[cell]!), cell, column)))
  })

  test('is mostly one of a small batch', () => {
    const rows = columnNames.flatMap((column) => Object.values(cells).map((cell) => rowWith(column, cell)))
    expect(rows.filter((row) => isSmallBatch([row])).length).toBeGreaterThan(0.8 * rows.length)
  })

  const usual = rowWith('double', number('0.5'))
  test.each<[string, CellRow[]]>([
    ['in another order', [usual, new Map([...usual].reverse())]],
    ['absent in one row', [usual, rowWith('double', 'absent')]],
    ['null first', [rowWith('double', 'null'), usual]],
    ['a text after a number', [usual, rowWith('double', text('x'))]],
    ['a boolean after a number', [usual, rowWith('double', boolean(true))]],
    ['a text time after null', [rowWith('timestamp', 'null'), usual]],
    ['of a column nobody knows', [new Map([...usual, ['more', text('x')]])]],
  ])('%s: the same from JSON and NDJSON', async (_, rows) => {
    const [expected, ...others] = await Promise.all(
      (['complete reader', 'small batch', 'ndjson'] as const).map((door) => verdictOf('cells', door, rows)),
    )
    for (const { door, whole } of others) expect(whole, door).toEqual(expected!.whole)
  })
})

describe('a name', () => {
  test.each(Object.entries(names))('%s', { timeout: 120_000 }, async (kind, name) => {
    const model = `name-${kind.replaceAll(' ', '-')}`
    const values = Array.from({ length: 64 }, (_, n) => [Math.sin(n), n % 9])
    const query = `/train?model=${model}&detector=${encodeURIComponent(JSON.stringify(smallForest))}`
    // JSON has no key __proto__.
    const trained = await (kind === 'prototype'
      ? app.send('POST', query, { body: `${name},y\n${values.join('\n')}\n`, headers: { 'content-type': types.csv } })
      : sendJson(query, `{"rows":[${values.map(([x, y]) => `{${JSON.stringify(name)}:${x},"y":${y}}`)}]}`))
    expect(outcome(trained)).toBe('201')
    await compare(
      model,
      new Map([
        [name, number('0.25')],
        ['y', number('4')],
      ]),
      kind,
    )
  })
})

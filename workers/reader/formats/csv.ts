import type { DeepWatchError } from '../../../src/errors.ts'
import { formatOf } from '../../../src/formats/index.ts'
import type { ColumnKind } from '../../../src/reader/index.ts'
import {
  COUNTED_POSITION,
  checkNames,
  columnError,
  type Database,
  fill,
  type OpenFile,
  quoteText,
  type Relation,
  type RelationColumn,
  type RelationInput,
  rowsOf,
  SQL_TYPES,
  show,
  statement,
  type Values,
} from '../database/index.ts'
import { type CellCounts, cellCounts, csvCells, kindOfCells } from './csv-cells.ts'
import { type CsvHeader, lineOfRow, readHeader } from './csv-header.ts'

/** Rows whose values say what a column is, when no model says it. A later value that is something else is an error. */
const SAMPLE_ROWS = 20_480
const ALL_ROWS = Number.MAX_SAFE_INTEGER
/** Characters of a value that a message shows. */
const SHOWN = 40

/** A source of CSV files whose every column is text, `f0`, `f1` and so on. */
interface CsvText {
  readonly database: Database
  readonly files: readonly CsvFile[]
  /** Of all files, in the order in which they appear. */
  readonly names: readonly string[]
  readonly cells: ReturnType<typeof csvCells>
  readonly from: string
  readonly values: Values
}

interface CsvFile {
  readonly file: OpenFile
  readonly header: CsvHeader
}

/**
 * CSV as a relation. The header is ours to read; columns go to the database by position, under names of ours. A column is what all of
 * its first values are; one without a value there is looked at to the end of the source. A file may lack columns of the others, which
 * are missing in its rows, and may have them in another order.
 */
export async function csvRelation({ database, files, command }: RelationInput): Promise<Relation> {
  const { header, nullValues = [], entity } = command.reading
  const read = files.map((file) => ({ file, header: readHeader(file, header) }))
  for (const each of read) checkNames(each.header.names, command.maxColumns)
  const names = [...new Set(read.flatMap((each) => each.header.names))]
  checkNames(names, command.maxColumns)
  const source: CsvText = { database, files: read, names, cells: csvCells(nullValues), ...unionOf(read, names) }
  const kinds = new Map<string, ColumnKind | null>(names.map((name) => [name, null]))
  for (const { name, kind } of command.types ?? []) if (kinds.has(name)) kinds.set(name, kind)
  if (entity !== undefined && kinds.has(entity)) kinds.set(entity, 'text')
  const found = new Map<string, CellCounts>()
  for (const rows of [SAMPLE_ROWS, ALL_ROWS]) await findKinds(source, kinds, found, rows)
  const columns = names.map((name, index) => describeColumn(source, name, index, kinds.get(name) ?? null, found))
  return {
    columns,
    rows: null,
    from: source.from,
    values: source.values,
    position: COUNTED_POSITION,
    misfit: () => findMisfit(source, columns),
  }
}

function describeColumn(
  { cells, files }: CsvText,
  name: string,
  index: number,
  found: ColumnKind | null,
  counts: ReadonlyMap<string, CellCounts>,
): RelationColumn {
  const kind = found ?? 'number'
  const raw = `f${index}`
  const expression = cells.value(raw, kind)
  const unfit = unfitOf(name, counts.get(name))
  const isNamed = files.some(({ header }) => header.named[header.names.indexOf(name)] === true || !header.isThere)
  return {
    name,
    type: found === null ? 'null' : SQL_TYPES[kind],
    sql: SQL_TYPES[kind],
    kind,
    partition: false,
    precisionLoss: (counts.get(name)?.rounded ?? 0) > 0,
    expression,
    ...(kind === 'number' && { text: raw, echo: cells.echo(raw, expression) }),
    ...(!isNamed && { index: true }),
    ...(unfit !== null && { unfit }),
  }
}

/** Why a column of text is none that one would leave out without a word: most of its cells are numbers, or would be with a point. */
function unfitOf(name: string, counts: CellCounts | undefined): string | null {
  if (counts === undefined || kindOfCells(counts) !== 'text') return null
  const { all, numbers, zerosInFront, decimalCommas } = counts
  if (2 * (numbers + decimalCommas) <= all || zerosInFront > 0) return null
  if (decimalCommas > 0) return `${show(name)} holds numbers with a decimal comma; write them with a point.`
  return `${show(name)} holds numbers and ${all - numbers} values that are none.`
}

/** The files as one table: as they are when their columns agree, else each with the columns of all. */
function unionOf(files: readonly CsvFile[], names: readonly string[]): Pick<CsvText, 'from' | 'values'> {
  const values: Record<string, string[]> = {}
  const tables: { key: string; text: string; paths: string[]; header: CsvHeader }[] = []
  for (const { file, header } of files) {
    const key = JSON.stringify([header.names, header.delimiter])
    const last = tables.at(-1)
    if (last?.key === key) {
      last.paths.push(file.path)
      continue
    }
    const parameter = `files${tables.length}`
    const paths = [file.path]
    values[parameter] = paths
    tables.push({ key, text: tableText(header, parameter), paths, header })
  }
  const select = ({ header, text }: (typeof tables)[0]): string => {
    const places = names.map((name) => header.names.indexOf(name))
    return `select ${places.map((place, index) => `${place === -1 ? 'null::varchar' : `f${place}`} as f${index}`).join(', ')} from ${text}`
  }
  const from = tables.length === 1 ? tables[0]!.text : `(${tables.map(select).join(' union all ')})`
  return { from, values }
}

function tableText({ names, delimiter, isThere }: CsvHeader, parameter: string): string {
  const types = `{${names.map((_, index) => `'f${index}': 'VARCHAR'`).join(', ')}}`
  const slots = { files: `$${parameter}`, header: String(isThere), delimiter: quoteText(delimiter), types }
  return fill(formatOf('csv').relation, slots)
}

/** Fills in the kinds that are not known yet; what has no value among these rows stays unknown. */
async function findKinds(
  { database, names, cells, from, values }: CsvText,
  kinds: Map<string, ColumnKind | null>,
  found: Map<string, CellCounts>,
  rows: number,
): Promise<void> {
  const open = names.flatMap((name, index) => (kinds.get(name) === null ? [index] : []))
  if (open.length === 0) return
  const counts = open.flatMap((index) => cells.counts(`f${index}`))
  const sql = statement('csv-kinds', { kinds: counts.join(', '), relation: from })
  const [row] = await rowsOf(database.connection, sql, { ...values, rows: BigInt(rows) })
  const width = counts.length / open.length
  open.forEach((index, at) => {
    const own = (row as number[]).slice(at * width, (at + 1) * width)
    const each = Object.fromEntries(cellCounts.map((name, place) => [name, own[place]])) as unknown as CellCounts
    found.set(names[index] as string, each)
    kinds.set(names[index] as string, kindOfCells(each))
  })
}

/** The first cell that is not of its column's kind, as the error that tells it; null when there is none. */
async function findMisfit(
  { database, files, cells }: CsvText,
  columns: readonly RelationColumn[],
): Promise<DeepWatchError | null> {
  for (const { file, header } of files) {
    const own = columns.filter(({ name }) => header.names.includes(name))
    const raws = own.map(({ name }) => `f${header.names.indexOf(name)}`)
    const sql = statement('csv-misfits', {
      misfits: own.map(({ kind }, index) => `${cells.isMisfit(raws[index]!, kind)} as m${index}`).join(', '),
      firsts: raws.map((raw, i) => `min(row) filter (m${i})::double, arg_min(${raw}, row) filter (m${i})`).join(', '),
      relation: tableText(header, 'file'),
    })
    const [found = []] = await rowsOf(database.connection, sql, { file: [file.path] })
    const misfits = own.map((column, index) => ({ column, row: found[2 * index], text: found[2 * index + 1] }))
    const [first] = misfits.filter(({ row }) => row !== null).sort((a, b) => Number(a.row) - Number(b.row))
    if (first !== undefined) {
      const line = lineOfRow(file, Number(first.row), header)
      return misfitError(first.column, String(first.text), files.length === 1 ? { line } : { line, file: file.name })
    }
  }
  return null
}

function misfitError(
  { name, kind }: RelationColumn,
  text: string,
  facts: { line: number; file?: string },
): DeepWatchError {
  const value = text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text
  const where = facts.file === undefined ? `line ${facts.line}` : `line ${facts.line} of ${facts.file}`
  const comma = kind === 'number' && /^\s*[+-]?\d+,\d+\s*$/.test(text)
  const next = comma
    ? 'Write decimals with a point.'
    : 'Mend the value, or name it in nullValues if it stands for a missing one.'
  const detail = `${show(name)} is ${kind} and holds ${show(value)} in ${where}. ${next}`
  return columnError('type_mismatch', name, detail, { ...facts, value })
}

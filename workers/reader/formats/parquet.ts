import { DeepWatchError } from '../../../src/errors.ts'
import { formatOf } from '../../../src/formats/index.ts'
import type { Refusal } from '../../../src/reader/index.ts'
import {
  type Bindable,
  COUNTED_POSITION,
  checkNames,
  type Database,
  fill,
  foldCase,
  type OpenFile,
  quoteName,
  quoteText,
  type Relation,
  type RelationColumn,
  type RelationInput,
  rowsOf,
  show,
  statement,
} from '../database/index.ts'
import { MAX_NOTE_BYTES, MAX_NOTES, pandasIndex } from './pandas.ts'
import { type FileSchema, type Footer, readFooters, readSchemas, type Unreadable } from './parquet-schemas.ts'
import { roundedColumns } from './precision.ts'
import { unify } from './unify.ts'

/**
 * One or more Parquet files as a relation. Everything is judged from the footers alone: size, names, codecs, encodings, types. At
 * training the values of whole numbers are read as well, where the footers do not say that doubles hold them.
 *
 * Files of one source may differ where that does no harm, see `unify`; a column that a file lacks is null there.
 */
export async function parquetRelation({ database, files, command }: RelationInput): Promise<Relation> {
  const paths = files.map((file) => file.path)
  const footers = await readFooters(database, files)
  const widest = Math.max(...footers.map(({ columns }) => columns))
  if (widest > command.maxColumns) checkNames(Array(widest).fill(''), command.maxColumns)
  const rows = sum(footers, (footer) => footer.rows)
  checkCells(rows, widest, command.maxCells)
  const schemas = await readSchemas(database, files, footers, command.maxColumns)
  const names = [...new Set(schemas.flatMap(({ columns }) => columns.map(({ name }) => name)))]
  const partitions = [...new Set(files.flatMap((file) => Object.keys(file.partitions)))]
  const own = partitions.filter((key) => !names.some((name) => foldCase(name) === foldCase(key)))
  checkNames([...names, ...own], command.maxColumns)
  checkCells(rows, names.length, command.maxCells)
  // Only a training asks what its columns are.
  const isTraining = command.types === null
  const rounded = isTraining ? await findRounded(database, schemas) : new Set<string>()
  const index = isTraining ? await findIndex(database, paths) : new Set<string>()
  const unified = unifyColumns(names, schemas)
  const columns = unified.map((column): RelationColumn => {
    const { name } = column
    return { ...column, precisionLoss: rounded.has(name), ...(index.has(name) && { index: true }) }
  })
  const virtual = !names.some((name) => ['file_index', 'file_row_number'].includes(foldCase(name)))
  if (own.length > 0 && !virtual) {
    const detail = 'A partitioned folder cannot have a column file_index or file_row_number.'
    throw new DeepWatchError('duplicate_column', detail)
  }
  const values: Record<string, Bindable> = { files: paths }
  own.forEach((key, index) => {
    values[`partition${index}`] = files.map((file) => file.partitions[key] ?? null)
    columns.push(partitionColumn(key, index))
  })
  const groups = sum(footers, (footer) => footer.groups)
  return {
    columns,
    rows,
    from: relationText(schemas.length === 1 ? null : unified),
    values,
    position: positionOf(virtual, footers),
    ...(virtual && { groupRows: rows / Math.max(1, groups) }),
  }
}

function checkCells(rows: number, columns: number, limit: number): void {
  if (rows * columns <= limit) return
  const detail = `The source has ${rows} rows x ${columns} columns; at most ${limit} values are read.`
  throw new DeepWatchError('decoded_too_large', detail, { facts: { rows, columns, limit } })
}

/** The files as a table expression, with the types that all of them are read as where their own ones differ. */
function relationText(columns: readonly RelationColumn[] | null): string {
  const entries = columns?.map(({ name, sql }) => {
    const [key, type] = [quoteText(name), quoteText(sql)]
    return `${key}: {name: ${key}, type: ${type}, default_value: null}`
  })
  return fill(formatOf('parquet').relation, { schema: entries ? `, schema = map {${entries.join(', ')}}` : '' })
}

/** Every column of the files as the one that it is read as. */
function unifyColumns(names: readonly string[], schemas: readonly FileSchema[]): RelationColumn[] {
  const parts = new Map(names.map((name): [string, PartOfFile[]] => [name, []]))
  for (const { files, columns } of schemas) {
    const file = fileName(files[0] as OpenFile)
    for (const { name, type, unreadable } of columns) parts.get(name)?.push({ type, file, unreadable })
  }
  return Array.from(parts, ([name, found]): RelationColumn => {
    const column = { name, partition: false, precisionLoss: false, expression: quoteName(name), ...unify(name, found) }
    const { file, unreadable } = found.find((part) => part.unreadable !== null) ?? (found[0] as PartOfFile)
    return unreadable === null
      ? column
      : { ...column, kind: 'other', refusal: refuseUnreadable(name, file, unreadable) }
  })
}

interface PartOfFile {
  readonly type: string
  readonly file: string
  readonly unreadable: Unreadable | null
}

function refuseUnreadable(name: string, file: string, { code, what, instead }: Unreadable): Refusal {
  return {
    code,
    detail: `The column ${show(name)} of ${file} is ${what}, which is not read. Write it ${instead}, or leave it out with features.`,
    facts: { column: name.slice(0, 200), file },
    byDefault: true,
    shown: false,
  }
}

/** A file as people know it: with its folders, where these tell it from others. */
function fileName({ name, partitions }: OpenFile): string {
  const folders = Object.entries(partitions).map(([key, value]) => `${key}=${value}/`)
  return `${folders.join('')}${name}`.slice(-200)
}

/** Columns of which some value is another one as a double. Reads those alone that may have such values. */
async function findRounded(database: Database, schemas: readonly FileSchema[]): Promise<Set<string>> {
  const rounded = new Set<string>()
  for (const { files, columns } of schemas) {
    const looked = columns.filter((column) => column.mayRound && column.unreadable === null)
    const source = { from: relationText(null), values: { files: files.map((file) => file.path) } }
    const asked = looked.map(({ name, type }) => ({ name, sql: type, expression: quoteName(name) }))
    for (const name of await roundedColumns(database, source, asked)) rounded.add(name)
  }
  return rounded
}

async function findIndex(database: Database, paths: readonly string[]): Promise<ReadonlySet<string>> {
  const slots = { bytes: String(MAX_NOTE_BYTES), max: String(MAX_NOTES) }
  const notes = await rowsOf(database.connection, statement('parquet-pandas', slots), { files: paths })
  return pandasIndex(notes.map(([note]) => note))
}

/** A column of the folders' names, the partition of this number. */
function partitionColumn(name: string, number: number): RelationColumn {
  const expression = `($partition${number}::varchar[])[file_index::bigint + 1]`
  return { name, type: 'VARCHAR', sql: 'VARCHAR', kind: 'text', partition: true, precisionLoss: false, expression }
}

/**
 * The position by the file's own row numbers, so that a window can pass over row groups. The columns for it are virtual: a
 * real column of the same name hides them.
 */
function positionOf(virtual: boolean, footers: readonly Footer[]): string {
  if (!virtual) return COUNTED_POSITION
  if (footers.length === 1) return 'file_row_number'
  const starts: number[] = [0]
  for (const { rows } of footers) starts.push((starts.at(-1) as number) + rows)
  return `file_row_number + ([${starts.join(', ')}]::bigint[])[file_index::bigint + 1]`
}

function sum(footers: readonly Footer[], of: (footer: Footer) => number): number {
  return footers.reduce((total, footer) => total + of(footer), 0)
}

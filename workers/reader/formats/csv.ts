import { DeepWatchError } from '../../../src/errors.ts'
import { formatOf } from '../../../src/formats/index.ts'
import type { ColumnKind } from '../../../src/reader/index.ts'
import {
  COUNTED_POSITION,
  checkNames,
  columnError,
  type Database,
  fill,
  quoteText,
  type Relation,
  type RelationColumn,
  type RelationInput,
  rowsOf,
  SQL_TYPES,
  show,
  statement,
} from '../database/index.ts'
import { type CsvHeader, readHeader } from './csv-header.ts'

/** Rows whose values say what a column is, when no model says it. A later value that is something else is an error. */
const SAMPLE_ROWS = 20_480
const ALL_ROWS = Number.MAX_SAFE_INTEGER

/** A date, or a date and a time, with or without a zone. */
const TIME = String.raw`\d{4}-\d{2}-\d{2}([Tt ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?)?( ?[Zz]|[+-]\d{2}(:?\d{2})?)?`

/**
 * CSV as a relation. The header is ours to read; columns go to the database by position, under names of ours. A column is what all of
 * its first values are; one without a value there is looked at to the end of the source.
 */
export async function csvRelation({ database, files, command }: RelationInput): Promise<Relation> {
  const header = readHeader(files[0] as (typeof files)[0])
  checkNames(header.names, command.maxColumns)
  for (const file of files.slice(1)) checkSame(header, readHeader(file), file.name)
  const values = { files: files.map((file) => file.path) }
  const given = new Map(command.types?.map((type) => [type.name, type.kind]))
  const kinds: (ColumnKind | null)[] = header.names.map((name) => given.get(name) ?? null)
  await findKinds(database, header, kinds, values, SAMPLE_ROWS)
  await findKinds(database, header, kinds, values, ALL_ROWS)
  const columns: RelationColumn[] = header.names.map((name, index) => {
    const kind = kinds[index] ?? 'number'
    const type = kinds[index] === null ? 'null' : SQL_TYPES[kind]
    return { name, type, sql: SQL_TYPES[kind], kind, partition: false, precisionLoss: false, expression: `f${index}` }
  })
  return {
    columns,
    rows: null,
    from: relationText(header, (index) => (columns[index] as RelationColumn).sql),
    values,
    position: COUNTED_POSITION,
  }
}

/** Fills in the kinds that are not known yet; what has no value among these rows stays unknown. */
async function findKinds(
  database: Database,
  header: CsvHeader,
  kinds: (ColumnKind | null)[],
  values: { files: string[] },
  rows: number,
): Promise<void> {
  const open = kinds.flatMap((kind, index) => (kind === null ? [index] : []))
  if (open.length === 0) return
  const counts = open.flatMap((index) => [
    `count(f${index})::double`,
    `count(*) filter (where try_cast(f${index} as double) is not null)::double`,
    `count(*) filter (where lower(f${index}) in ('true', 'false'))::double`,
    `count(*) filter (where regexp_full_match(f${index}, ${quoteText(TIME)}) and try_cast(f${index} as timestamptz) is not null)::double`,
  ])
  const sql = statement('csv-kinds', { kinds: counts.join(', '), relation: relationText(header, () => 'VARCHAR') })
  const [found] = await rowsOf(database.connection, sql, { ...values, rows: BigInt(rows) })
  open.forEach((index, at) => {
    const [all, numbers, booleans, times] = (found as number[]).slice(at * 4, at * 4 + 4)
    if (all === 0) return
    kinds[index] = numbers === all ? 'number' : booleans === all ? 'boolean' : times === all ? 'timestamp' : 'text'
  })
}

function relationText({ names, delimiter }: CsvHeader, typeOf: (index: number) => string): string {
  const list = names.map((_, index) => `'f${index}': ${quoteText(typeOf(index))}`).join(', ')
  return fill(formatOf('csv').relation, { delimiter: quoteText(delimiter), types: `{${list}}` })
}

function checkSame(first: CsvHeader, other: CsvHeader, file: string): void {
  if (other.delimiter !== first.delimiter && first.names.length > 1) {
    throw new DeepWatchError('type_mismatch', `The file ${file} has another delimiter than the first one.`, {
      facts: { file },
    })
  }
  first.names.forEach((name, index) => {
    if (other.names[index] !== name) {
      const detail = `The header of ${file} is not that of the first file: column ${show(name)} is not in its place.`
      throw columnError('unknown_column', name, detail, { file })
    }
  })
  if (other.names.length !== first.names.length) {
    throw new DeepWatchError('unknown_column', `The file ${file} has more columns than the first one.`, {
      facts: { file },
    })
  }
}

import { DeepWatchError } from '../../../src/errors.ts'
import { formatOf } from '../../../src/formats/index.ts'
import {
  type Bindable,
  COUNTED_POSITION,
  checkNames,
  columnError,
  type Database,
  fill,
  foldCase,
  kindOfType,
  type OpenFile,
  quoteName,
  type Relation,
  type RelationColumn,
  type RelationInput,
  rowsOf,
  show,
  statement,
} from '../database/index.ts'

/** Compressions DuckDB reads; a footer may name others (Hadoop's LZ4, LZO). */
const CODECS = new Set(['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'ZSTD', 'BROTLI', 'LZ4_RAW'])
const LONGEST_TYPE = 200

/**
 * One or more Parquet files as a relation. Everything is judged from the footers alone: size, names, codecs.
 *
 * Files of one source must have the same columns with the same types, in any order: a column that some file lacks is
 * `unknown_column`, one of another type `type_mismatch`. Nothing is filled with nulls silently.
 */
export async function parquetRelation({ database, files, command }: RelationInput): Promise<Relation> {
  const paths = files.map((file) => file.path)
  const footers = await readFooters(database, files)
  const first = footers[0] as Footer
  if (first.columns > command.maxColumns) checkNames(Array(first.columns).fill(''), command.maxColumns)
  const rows = sum(footers, (footer) => footer.rows)
  if (rows * first.columns > command.maxCells) {
    const { columns } = first
    const detail = `The source has ${rows} rows x ${columns} columns; at most ${command.maxCells} values are read.`
    throw new DeepWatchError('decoded_too_large', detail, { facts: { rows, columns, limit: command.maxCells } })
  }
  const names = await topLevelNames(database, paths[0] as string)
  const partitions = [...new Set(files.flatMap((file) => Object.keys(file.partitions)))]
  const own = partitions.filter((key) => !names.some((name) => foldCase(name) === foldCase(key)))
  checkNames([...names, ...own], command.maxColumns)
  const types = await typesOf(database, paths[0] as string)
  for (let i = 1; i < files.length; i++) {
    if ((footers[i] as Footer).fingerprint !== first.fingerprint) await checkSame(database, files, i, types)
  }
  const rounded = await checkChunks(database, paths)
  const columns: RelationColumn[] = names.map((name) => {
    const type = types.get(name) as string
    return {
      name,
      type: type.length > LONGEST_TYPE ? `${type.slice(0, LONGEST_TYPE)}…` : type,
      kind: kindOfType(type),
      partition: false,
      precisionLoss:
        type === 'BIGINT' || type === 'UBIGINT' ? rounded.has(name) : type === 'HUGEINT' || type === 'UHUGEINT',
      expression: quoteName(name),
      sql: type,
    }
  })
  const virtual = !names.some((name) => ['file_index', 'file_row_number'].includes(foldCase(name)))
  if (own.length > 0 && !virtual) {
    const detail = 'A partitioned folder cannot have a column file_index or file_row_number.'
    throw new DeepWatchError('duplicate_column', detail)
  }
  const values: Record<string, Bindable> = { files: paths }
  own.forEach((key, index) => {
    values[`partition${index}`] = files.map((file) => file.partitions[key] ?? null)
    const expression = `($partition${index}::varchar[])[file_index::bigint + 1]`
    columns.push({
      name: key,
      type: 'VARCHAR',
      sql: 'VARCHAR',
      kind: 'text',
      partition: true,
      precisionLoss: false,
      expression,
    })
  })
  return {
    columns,
    rows,
    from: fill(formatOf('parquet').relation, {}),
    values,
    position: positionOf(virtual, footers),
    ...(virtual && {
      groupRows:
        rows /
        Math.max(
          1,
          sum(footers, ({ groups }) => groups),
        ),
    }),
  }
}

interface Footer {
  readonly rows: number
  readonly columns: number
  readonly groups: number
  readonly fingerprint: string
}

/** One footer per file, in the order of the files. */
async function readFooters(database: Database, files: readonly OpenFile[]): Promise<Footer[]> {
  const found = new Map<string, Footer>()
  const rows = await rowsOf(database.connection, statement('parquet-files'), { files: files.map((file) => file.path) })
  for (const [path, count, columns, encryption, fingerprint, groups] of rows) {
    if (encryption !== null) throw new DeepWatchError('parquet_encrypted', 'Encrypted Parquet files cannot be read.')
    found.set(String(path), {
      rows: Number(count),
      columns: Number(columns ?? 0),
      groups: Number(groups),
      fingerprint: String(fingerprint),
    })
  }
  return files.map((file) => {
    const footer = found.get(file.path)
    if (footer === undefined || footer.columns < 1 || footer.rows < 0) {
      throw new DeepWatchError('parquet_unreadable', `The footer of the Parquet file ${file.name} is damaged.`)
    }
    return footer
  })
}

/** Names of the top-level columns as they stand in the file: the database renames twins and cuts names at NUL. */
async function topLevelNames(database: Database, path: string): Promise<string[]> {
  const elements = await rowsOf(database.connection, statement('parquet-schema'), { file: path })
  const names: string[] = []
  let at = 1
  const skip = (): void => {
    const children = Number((elements[at] ?? [])[1] ?? 0)
    at++
    for (let child = 0; child < children && at < elements.length; child++) skip()
  }
  while (at < elements.length) {
    names.push(String((elements[at] as unknown[])[0] ?? ''))
    skip()
  }
  return names
}

async function typesOf(database: Database, path: string): Promise<Map<string, string>> {
  const relation = fill(formatOf('parquet').relation, {})
  const rows = await rowsOf(database.connection, statement('columns', { relation }), { files: [path] })
  return new Map(rows.map(([name, type]) => [String(name), String(type)]))
}

/**
 * Looks at every column chunk's description: refuses compressions we cannot read, and gives the 64-bit columns that may hold
 * integers whose doubles are rounded.
 */
async function checkChunks(database: Database, paths: readonly string[]): Promise<Set<string>> {
  const rounded = new Set<string>()
  const chunks = await rowsOf(database.connection, statement('parquet-chunks'), { files: paths })
  for (const [codec, column, wide] of chunks) {
    if (codec !== null && !CODECS.has(String(codec))) {
      const detail = `The compression ${String(codec).slice(0, 20)} is not supported.`
      throw new DeepWatchError('parquet_unsupported_codec', detail)
    }
    if (wide === true) rounded.add(String(column))
  }
  return rounded
}

/** Compares the columns of one file with those of the first. */
async function checkSame(
  database: Database,
  files: readonly OpenFile[],
  index: number,
  first: Map<string, string>,
): Promise<void> {
  const { path, name: file } = files[index] as OpenFile
  const names = await topLevelNames(database, path)
  checkNames(names, names.length)
  const types = await typesOf(database, path)
  for (const name of new Set([...first.keys(), ...names])) {
    const here = types.get(name)
    const there = first.get(name)
    if (here === undefined || there === undefined) {
      const detail = `Not every file of the source has the column ${show(name)}: compare ${file} with the first.`
      throw columnError('unknown_column', name, detail, { file })
    }
    if (here !== there) {
      const detail = `The column ${show(name)} has another type in ${file} than in the first file.`
      throw columnError('type_mismatch', name, detail, { file })
    }
  }
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

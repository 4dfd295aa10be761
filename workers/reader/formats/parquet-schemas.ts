import { DeepWatchError } from '../../../src/errors.ts'
import { formatOf } from '../../../src/formats/index.ts'
import { checkNames, type Database, fill, type OpenFile, rowsOf, statement } from '../database/index.ts'
import { mayRound } from './precision.ts'
import { NULL_TYPE } from './unify.ts'

/** Files of a source that have the same columns in the same places. */
export interface FileSchema {
  readonly files: readonly OpenFile[]
  readonly columns: readonly FileColumn[]
}

/** A way of storing values that is not read. */
export interface Unreadable {
  readonly code: 'type_mismatch' | 'parquet_unreadable'
  /** What the column is, and how to write it instead. */
  readonly what: string
  readonly instead: string
}

/** A column as it stands in these files. */
interface FileColumn {
  readonly name: string
  /** SQL type, or `NULL_TYPE`. */
  readonly type: string
  /** Where the database cannot decode it, or decodes it wrongly. */
  readonly unreadable: Unreadable | null
  /** Whether it may hold numbers whose doubles are others, by its type and its statistics. */
  readonly mayRound: boolean
}

/** What the footer of a file says about the whole of it. */
export interface Footer {
  readonly rows: number
  readonly columns: number
  readonly groups: number
  readonly fingerprint: string
}

/** Compressions DuckDB reads; a footer may name others (Hadoop's LZ4, LZO). */
const CODECS = new Set(['UNCOMPRESSED', 'SNAPPY', 'GZIP', 'ZSTD', 'BROTLI', 'LZ4_RAW'])
const ENCODINGS = new Set([
  'PLAIN',
  'PLAIN_DICTIONARY',
  'RLE',
  'BIT_PACKED',
  'DELTA_BINARY_PACKED',
  'DELTA_LENGTH_BYTE_ARRAY',
  'DELTA_BYTE_ARRAY',
  'RLE_DICTIONARY',
])
/** An encoding that it decodes for these physical types alone. */
const SPLIT = 'BYTE_STREAM_SPLIT'
const SPLIT_TYPES = new Set(['FLOAT', 'DOUBLE'])
/** Longer decimals come out as wrong doubles. */
const MAX_DIGITS = 38

/** One footer per file, in the order of the files. Throws `parquet_encrypted`, `parquet_unreadable`. */
export async function readFooters(database: Database, files: readonly OpenFile[]): Promise<Footer[]> {
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
    if (footer === undefined || footer.columns < 1 || footer.rows < 0) throw damaged(file)
    return footer
  })
}

/**
 * The schemas of the files, each once, in the order in which they appear. Nothing but footers is read.
 * Throws `parquet_unsupported_codec`, `parquet_unreadable`, and what `checkNames` throws.
 */
export async function readSchemas(
  database: Database,
  files: readonly OpenFile[],
  footers: readonly Footer[],
  maxColumns: number,
): Promise<FileSchema[]> {
  const groups = new Map<string, OpenFile[]>()
  files.forEach((file, index) => {
    const { fingerprint } = footers[index] as Footer
    const group = groups.get(fingerprint)
    if (group === undefined) groups.set(fingerprint, [file])
    else group.push(file)
  })
  const schemas: FileSchema[] = []
  for (const group of groups.values()) schemas.push(await readSchema(database, group, maxColumns))
  return schemas
}

async function readSchema(database: Database, files: readonly OpenFile[], maxColumns: number): Promise<FileSchema> {
  const first = files[0] as OpenFile
  const elements = await topLevel(database, first.path)
  checkNames(
    elements.map(({ name }) => name),
    maxColumns,
  )
  const types = await typesOf(database, first.path)
  if (types.length !== elements.length) throw damaged(first)
  const leaves = await readLeaves(database, files)
  const columns = elements.map(({ name, digits, isNull, firstLeaf, leaves: count }, index) => {
    const type = isNull ? NULL_TYPE : (types[index] as string)
    const own = leaves.slice(firstLeaf, firstLeaf + count).filter((leaf) => leaf !== undefined)
    const unreadable = longDecimal(digits) ?? own.find((leaf) => leaf.unreadable !== null)?.unreadable ?? null
    return { name, type, unreadable, mayRound: own.some(({ magnitude }) => mayRound(type, magnitude)) }
  })
  return { files, columns }
}

interface Element {
  /** As it stands in the file: the database renames twins and cuts names at NUL. */
  readonly name: string
  /** Digits of the longest decimal in it, 0 without one. */
  digits: number
  readonly isNull: boolean
  readonly firstLeaf: number
  leaves: number
}

/** The columns at the top level of a file. */
async function topLevel(database: Database, path: string): Promise<Element[]> {
  const elements = await rowsOf(database.connection, statement('parquet-schema'), { file: path })
  const found: Element[] = []
  /** Elements that are still to come below the column found last. */
  let below = 0
  let leaf = 0
  for (const [name, count, digits, isNull] of elements.slice(1)) {
    const children = Math.max(0, Number(count ?? 0))
    if (below === 0)
      found.push({ name: String(name ?? ''), digits: 0, isNull: isNull === true, firstLeaf: leaf, leaves: 0 })
    else below--
    below += children
    const column = found.at(-1) as Element
    column.digits = Math.max(column.digits, Number(digits ?? 0))
    if (children === 0) {
      leaf++
      column.leaves++
    }
  }
  return found
}

async function typesOf(database: Database, path: string): Promise<string[]> {
  const relation = fill(formatOf('parquet').relation, { schema: '' })
  const rows = await rowsOf(database.connection, statement('columns', { relation }), { files: [path] })
  return rows.map(([, type]) => String(type))
}

interface Leaf {
  unreadable: Unreadable | null
  magnitude: number
}

/** How the leaves of a schema are stored in these files, by their numbers. Throws `parquet_unsupported_codec`. */
async function readLeaves(database: Database, files: readonly OpenFile[]): Promise<Leaf[]> {
  const leaves: Leaf[] = []
  const paths = files.map((file) => file.path)
  const chunks = await rowsOf(database.connection, statement('parquet-chunks'), { files: paths })
  for (const [leaf, codec, type, encodings, magnitude] of chunks) {
    if (codec !== null && !CODECS.has(String(codec))) {
      const detail = `The compression ${String(codec).slice(0, 20)} is not supported.`
      throw new DeepWatchError('parquet_unsupported_codec', detail)
    }
    const known = leaves[Number(leaf)] ?? { unreadable: null, magnitude: 0 }
    known.unreadable ??= unreadableEncoding(String(encodings ?? ''), String(type))
    known.magnitude = Math.max(known.magnitude, Number(magnitude))
    leaves[Number(leaf)] = known
  }
  return leaves
}

function longDecimal(digits: number): Unreadable | null {
  if (digits <= MAX_DIGITS) return null
  const instead = `with at most ${MAX_DIGITS} digits, or as DOUBLE`
  return { code: 'type_mismatch', what: `a decimal of ${digits} digits`, instead }
}

function unreadableEncoding(encodings: string, type: string): Unreadable | null {
  const bad = encodings
    .split(', ')
    .find((each) => each !== '' && !ENCODINGS.has(each) && !(each === SPLIT && SPLIT_TYPES.has(type)))
  if (bad === undefined) return null
  const what = `${type} in the encoding ${bad.slice(0, 40)}`
  return { code: 'parquet_unreadable', what, instead: 'in another encoding' }
}

function damaged(file: OpenFile): DeepWatchError {
  return new DeepWatchError('parquet_unreadable', `The footer of the Parquet file ${file.name} is damaged.`)
}

/** Shared by the tests of sources and reading: folders, files written by the database itself, and a session over them. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { DeepWatchError } from '../../src/errors.ts'
import { createReaders } from '../../src/reader/reader.ts'
import type { FeatureQuery, ReaderHooks, ReaderLimits, ReaderSession, Readers } from '../../src/reader/types.ts'
import { createSources, type SourceLimits, type Sources } from '../../src/sources/sources.ts'
import { atTheEnd, freshFolder } from '../endings.ts'

const MIB = 1024 * 1024

export interface Bench {
  /** The state folder. */
  readonly home: string
  /** The one data root. */
  readonly root: string
  readonly sources: Sources
  readonly readers: Readers
  /** Why processes died so far. */
  readonly deaths: string[]
  /** Opens a file, list or folder of the root. */
  open(paths: string | readonly string[], options?: Parameters<Readers['open']>[1]): Promise<ReaderSession>
  /** Writes a file into the root and gives its name back. */
  file(name: string, content: string | Uint8Array): string
}

/** A set of sources and readers over fresh folders, closed when the test file ends. */
export async function startBench(limits: Partial<ReaderLimits> = {}, own: Partial<SourceLimits> = {}): Promise<Bench> {
  const home = await freshFolder()
  const root = join(await freshFolder(), 'root')
  mkdirSync(root)
  const deaths: string[] = []
  const hooks: ReaderHooks = { onDeath: (reason) => deaths.push(reason) }
  const sources = createSources({
    home,
    roots: [root],
    maxFiles: 1000,
    uploadBytes: 64 * MIB,
    spoolBytes: 256 * MIB,
    uploadStallMs: 5_000,
    uploadMinRate: 0,
    uploadGraceMs: 1_000,
    ...own,
  })
  const readers = createReaders(
    {
      readers: 2,
      queue: 4,
      threads: 2,
      memoryBytes: 256 * MIB,
      addressSpaceBytes: 4096 * MIB,
      residentBytes: 1024 * MIB,
      stallMs: 30_000,
      maxColumns: 4096,
      maxCells: 2e9,
      maxDecodedTextBytes: 256 * MIB,
      home,
      ...limits,
    },
    hooks,
  )
  atTheEnd(() => readers.close())
  return {
    home,
    root,
    sources,
    readers,
    deaths,
    open: async (paths, options) => readers.open(await sources.fromPaths(paths), options),
    file(name, content) {
      writeFileSync(join(root, name), content)
      return name
    },
  }
}

let writer: Promise<DuckDBConnection> | null = null

/** Runs a statement on a database that has nothing to do with the one under test. */
export async function sql(statement: string): Promise<unknown[][]> {
  writer ??= DuckDBInstance.create(':memory:').then((instance) => instance.connect())
  return (await (await writer).runAndReadAll(statement)).getRowsJson() as unknown[][]
}

/** Writes the rows of a query as Parquet. */
export async function writeParquet(path: string, query: string, options = ''): Promise<void> {
  await sql(
    `copy (${query}) to '${path.replaceAll("'", "''")}' (format parquet${options === '' ? '' : `, ${options}`})`,
  )
}

export interface Matrix {
  /** Per lane the values of all rows. */
  readonly lanes: number[][]
  readonly text: string[] | null
  readonly rows: number
  /** Rows of each block. */
  readonly blocks: number[]
}

/** Reads a feature stream to its end, giving every block back at once. */
export async function readAll(session: ReaderSession, query: FeatureQuery): Promise<Matrix> {
  const lanes: number[][] = []
  const blocks: number[] = []
  let text: string[] | null = null
  let rows = 0
  for await (const { block, first, text: lines, release } of session.features(query)) {
    if (first !== rows) throw new Error('a block is out of order')
    for (let lane = 0; lane < block.columns; lane++) {
      const values = lanes[lane] ?? []
      lanes[lane] = values
      for (const value of block.values.subarray(lane * block.stride, lane * block.stride + block.rows))
        values.push(value)
    }
    if (lines !== null) text = [...(text ?? []), ...lines]
    blocks.push(block.rows)
    rows += block.rows
    release()
  }
  return { lanes, text, rows, blocks }
}

/** The code of the error a promise rejects with; 'none' when it does not. Other errors are thrown on. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'none'
  } catch (error) {
    if (error instanceof DeepWatchError) return error.code
    throw error
  }
}

/** Opens, describes and reads the numeric columns, the way every use does; gives the first error's code or 'none'. */
export async function tryReading(bench: Bench, paths: string | readonly string[]): Promise<string> {
  let session: ReaderSession | null = null
  try {
    session = await bench.open(paths)
    const { columns } = await session.describe()
    const features = columns.flatMap(({ name, kind }) =>
      kind === 'number' || kind === 'boolean' ? [{ name, kind }] : [],
    )
    if (features.length > 0) await readAll(session, { features })
    return 'none'
  } catch (error) {
    if (error instanceof DeepWatchError) return error.code
    throw error
  } finally {
    await session?.close()
  }
}

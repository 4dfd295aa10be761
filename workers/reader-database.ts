import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api'
import type { ReaderStart } from '../src/reader-frames.ts'
import { Feed } from './reader-feed.ts'
import { quoteText, statement } from './reader-statements.ts'

/** A database in memory with one connection, for one source. */
export interface Database {
  readonly connection: DuckDBConnection
  /** The table function `fed()`. */
  readonly feed: Feed
  /** The table function `scores()`. */
  readonly scores: Feed
  /** Runs a statement with a bounded result; every error is reported. Values are read by index. */
  rows(sql: string, values?: Record<string, DuckDBValue>): Promise<DuckDBValue[][]>
}

/**
 * Opens the database while its source is still unknown. Extensions are off, nothing is spilled to disk, and order is
 * kept: a source is rows in a sequence.
 */
export async function openDatabase({ threads, memoryBytes }: ReaderStart): Promise<Database> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(threads),
    memory_limit: `${Math.floor(memoryBytes / 1024)}KiB`,
    temp_directory: '',
    preserve_insertion_order: 'true',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
  })
  const connection = await instance.connect()
  for (const name of ['set-time-zone', 'set-progress', 'set-progress-quiet', 'set-progress-at-once'] as const) {
    await connection.run(statement(name))
  }
  return {
    connection,
    feed: new Feed(connection, 'fed'),
    scores: new Feed(connection, 'scores'),
    rows: async (sql, values) => (await connection.runAndReadAll(sql, values)).getRows(),
  }
}

/** Leaves the database these files and nothing else. Cannot be undone. */
export async function lockDatabase({ connection }: Database, paths: readonly string[]): Promise<void> {
  await connection.run(statement('allow-paths', { paths: `[${paths.map(quoteText).join(', ')}]` }))
  await connection.run(statement('close-access'))
  await connection.run(statement('lock'))
}

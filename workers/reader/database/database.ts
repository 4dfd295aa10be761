import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import type { ReaderStart } from '../../../src/reader/index.ts'
import { Feed } from './feed.ts'
import { runStatement } from './query.ts'
import { ScoreFile } from './score-file.ts'
import { quoteText, statement } from './statements.ts'
import { TimeFunction } from './time-function.ts'

/** A database in memory with one connection, for one source. */
export interface Database {
  readonly connection: DuckDBConnection
  /** Threads that a statement has. */
  readonly threads: number
  /** Its limit of memory. */
  readonly memoryBytes: number
  /** The table function `fed()`. */
  readonly feed: Feed
  /** The function `score_at(position)`. */
  readonly scores: ScoreFile
  /** The function `time_of(text)`. */
  readonly times: TimeFunction
}

/** Opens the database while its source is still unknown. */
export async function openDatabase({ threads, memoryBytes }: ReaderStart): Promise<Database> {
  const connection = await connect(threads, memoryBytes)
  for (const name of ['set-time-zone', 'set-progress', 'set-progress-quiet', 'set-progress-at-once']) {
    await runStatement(connection, statement(name))
  }
  const feed = new Feed(connection, 'fed')
  const [scores, times] = [new ScoreFile(connection), new TimeFunction(connection)]
  return { connection, threads, memoryBytes, feed, scores, times }
}

/**
 * A connection to a new database in memory. Extensions are off, nothing is spilled to disk, and order is kept: a source is
 * rows in a sequence.
 */
export async function connect(threads: number, memoryBytes: number): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', {
    threads: String(threads),
    // What stays open when all else is locked: see `withThreads`.
    allowed_configs: '[threads]',
    memory_limit: `${Math.floor(memoryBytes / 1024)}KiB`,
    temp_directory: '',
    preserve_insertion_order: 'true',
    // It keeps parts of the file, 26 MiB of one of 100 million rows, which the system's own cache gives as soon.
    enable_external_file_cache: 'false',
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
    allow_community_extensions: 'false',
  })
  return instance.connect()
}

/** Leaves the database these files and nothing else. Cannot be undone. */
export async function lockDatabase({ connection }: Database, paths: readonly string[]): Promise<void> {
  await runStatement(connection, statement('allow-paths', { paths: `[${paths.map(quoteText).join(', ')}]` }))
  await runStatement(connection, statement('close-access'))
  await runStatement(connection, statement('lock'))
}

import { statSync } from 'node:fs'
import type { ScoredQuery } from '../../../src/reader/index.ts'
import {
  CHUNK_ROWS,
  COUNTED_POSITION,
  type Database,
  decodable,
  foldCase,
  quoteName,
  quoteText,
  type Relation,
  runStatement,
  statement,
} from '../database/index.ts'
import { windowed } from '../read/index.ts'
import type { ScoredStatement } from './arrow-writer.ts'

/** Writes the scored source as Parquet. The file is of use only when this returns. */
export async function writeScored(
  database: Database,
  relation: Relation,
  query: ScoredQuery,
  outputPath: string | null,
): Promise<{ rows: number; bytes: number }> {
  if (outputPath === null) throw new Error('the session has no output')
  // In a part of a source no file knows where a row stands.
  const threads = query.window === undefined ? writingThreads(database, relation) : 1
  const { sql, values, columns } = planScored(relation, query, threads)
  const copy = statement('write-scored', {
    scored: sql,
    output: quoteText(outputPath),
    rows: String(groupRowsFor(database, columns.length)),
  })
  const write = () => withThreads(database, threads, () => runStatement(database.connection, copy, values))
  const rows = await database.scores.during(query.scoresPath, write)
  return { rows, bytes: statSync(outputPath).size }
}

/** Streams the scored source as Arrow and returns the number of rows; a stream that broke off has no end marker. */
export async function streamScored(database: Database, relation: Relation, query: ScoredQuery): Promise<number> {
  const { writeArrowStream } = await import('./arrow-writer.ts')
  const scored = planScored(relation, query, 1)
  return database.scores.during(query.scoresPath, () => writeArrowStream(database, scored))
}

/** Our own output; replaced when it is written again. */
const OWN = new Set(['anomaly_score', 'is_anomaly'])

/**
 * Plans the source with its scores; see `sql/scored.sql`. Throws `unknown_column`, `missing_timestamp`, `type_mismatch`.
 * @param threads of the statement; several only where the whole source is read and knows the positions of its rows. One counts them,
 *   which is a tenth faster than asking
 */
function planScored(relation: Relation, query: ScoredQuery, threads: number): ScoredStatement {
  const columns = relation.columns.filter((column) => !OWN.has(foldCase(column.name))).map(decodable)
  const { sql, values } = windowed('scored', relation, query, (needed) => ({
    output: columns.map(({ name, expression }) => `r.${needed.add(expression)} as ${quoteName(name)},`).join(' '),
    position: threads > 1 ? needed.add(relation.position) : COUNTED_POSITION,
    kept: query.anomaliesOnly ? 'not isnan(r.score) and r.score > $threshold' : 'true',
  }))
  return { sql, values: { ...values, threshold: query.threshold }, columns }
}

/** Rows of a row group when there are few columns, which is also what the database takes by itself. */
const maxGroupRows = 122_880
/** Of its memory the database may fill so much with a row group: the writer holds two or three, and reading takes as much again. */
const groupShare = 0.1
/** Row groups that a thread of several holds at once: the one it collects, what it is turned into, and what is being written. */
const heldGroups = 3

/** Rows of a row group to write: fewer of many columns, so that the memory of those that are held does not grow with these. */
function groupRowsFor({ memoryBytes }: Database, columns: number): number {
  const fitting = Math.floor((groupShare * memoryBytes) / (8 * columns) / CHUNK_ROWS) * CHUNK_ROWS
  return Math.min(maxGroupRows, Math.max(CHUNK_ROWS, fitting))
}

/**
 * Threads that may write a source at once, 1 or more. Several collect whole row groups of it before they write, so there are no more of
 * them than their memory has room for; one writes as it reads. What comes in no row groups is for one.
 */
function writingThreads({ threads, memoryBytes }: Database, { groupRows, columns }: Relation): number {
  if (groupRows === undefined) return 1
  // A guess at the bytes of a decoded row.
  const width = columns.reduce((sum, { kind }) => sum + (kind === 'text' || kind === 'other' ? 32 : 8), 0)
  return Math.max(1, Math.min(threads, Math.floor(memoryBytes / (heldGroups * Math.max(1, groupRows * width)))))
}

/** Does some work while statements have so many threads. */
async function withThreads<T>({ connection, threads }: Database, count: number, work: () => Promise<T>): Promise<T> {
  if (count === threads) return work()
  await runStatement(connection, statement('set-threads', { threads: String(count) }))
  try {
    return await work()
  } finally {
    await runStatement(connection, statement('set-threads', { threads: String(threads) }))
  }
}

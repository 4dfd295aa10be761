import {
  CHUNK_ROWS,
  type Database,
  type Relation,
  type RelationColumn,
  runStatement,
  statement,
} from '../database/index.ts'

/** Rows of a row group when there are few columns, which is also what the database takes by itself. */
const maxGroupRows = 122_880
/** Of its memory the database may fill so much with a row group: the writer holds two or three, and reading takes as much again. */
const groupShare = 0.1
/** Row groups that a thread of several holds at once: the one it collects, what it is turned into, and what is being written. */
const heldGroups = 3

/** Rows of a row group to write: fewer of many columns, so that the memory of those that are held does not grow with these. */
export function groupRowsFor({ memoryBytes }: Database, columns: number): number {
  const fitting = Math.floor((groupShare * memoryBytes) / (8 * columns) / CHUNK_ROWS) * CHUNK_ROWS
  return Math.min(maxGroupRows, Math.max(CHUNK_ROWS, fitting))
}

/** A guess at the bytes of a decoded value. */
const widthOf = ({ kind }: RelationColumn) => (kind === 'text' || kind === 'other' ? 32 : 8)

/**
 * Threads that may write a source at once, 1 or more. Several collect whole row groups of it before they write, so there are no more of
 * them than their memory has room for; one writes as it reads. What comes in no row groups is for one.
 */
export function writingThreads({ threads, memoryBytes }: Database, { groupRows, columns }: Relation): number {
  if (groupRows === undefined) return 1
  const bytes = groupRows * columns.reduce((sum, column) => sum + widthOf(column), 0)
  return Math.max(1, Math.min(threads, Math.floor(memoryBytes / (heldGroups * Math.max(1, bytes)))))
}

/** Does some work while statements have so many threads. */
export async function withThreads<Result>(
  { connection, threads }: Database,
  count: number,
  work: () => Promise<Result>,
): Promise<Result> {
  if (count === threads) return work()
  await runStatement(connection, statement('set-threads', { threads: String(count) }))
  try {
    return await work()
  } finally {
    await runStatement(connection, statement('set-threads', { threads: String(threads) }))
  }
}

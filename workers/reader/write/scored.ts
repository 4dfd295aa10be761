import { statSync } from 'node:fs'
import type { ScoredQuery } from '../../../src/reader/index.ts'
import { type Database, quoteText, type Relation, runStatement, statement } from '../database/index.ts'
import { planScored } from './plan-scored.ts'
import { groupRowsFor, withThreads, writingThreads } from './write-threads.ts'

/** Writes the scored source as Parquet. The file is of use only when this returns. */
export async function writeScored(
  database: Database,
  relation: Relation,
  query: ScoredQuery,
  outputPath: string | null,
): Promise<{ rows: number; bytes: number }> {
  if (outputPath === null) throw new Error('the session has no output')
  const { scores, connection } = database
  try {
    scores.open(query.scoresPath)
    // In a part of a source no file knows where a row stands.
    const threads = query.window === undefined ? writingThreads(database, relation) : 1
    const { sql, values, columns } = planScored(relation, query, threads)
    const copy = statement('write-scored', {
      scored: sql,
      output: quoteText(outputPath),
      rows: String(groupRowsFor(database, columns.length)),
    })
    const rows = await withThreads(database, threads, () => runStatement(connection, copy, values))
    scores.verify()
    return { rows, bytes: statSync(outputPath).size }
  } finally {
    scores.close()
  }
}

/** Streams the scored source as Arrow and returns the number of rows; a stream that broke off has no end marker. */
export async function streamScored(database: Database, relation: Relation, query: ScoredQuery): Promise<number> {
  const { writeArrowStream } = await import('./arrow-writer.ts')
  const { scores } = database
  try {
    scores.open(query.scoresPath)
    return await writeArrowStream(database, planScored(relation, query, 1))
  } finally {
    scores.close()
  }
}

import { statSync } from 'node:fs'
import type { ScoredQuery } from '../src/reader-types.ts'
import type { Database } from './reader-database.ts'
import { planScored } from './reader-plan-scored.ts'
import type { Relation } from './reader-relation.ts'
import { quoteText, statement } from './reader-statements.ts'

/** Writes the scored source as Parquet. The file is of use only when this returns. */
export async function writeScored(
  database: Database,
  relation: Relation,
  query: ScoredQuery,
  outputPath: string | null,
): Promise<{ rows: number; bytes: number }> {
  if (outputPath === null) throw new Error('the session has no output')
  const { scores, connection, threads } = database
  try {
    scores.open(query.scoresPath)
    const { sql, values } = planScored(relation, query, threads)
    const copy = statement('write-scored', { scored: sql, output: quoteText(outputPath) })
    const rows = await connection.run(copy, values)
    scores.verify()
    return { rows, bytes: statSync(outputPath).size }
  } finally {
    scores.close()
  }
}

/** Streams the scored source as Arrow and returns the number of rows; a stream that broke off has no end marker. */
export async function streamScored(database: Database, relation: Relation, query: ScoredQuery): Promise<number> {
  const { writeArrowStream } = await import('./reader-arrow-writer.ts')
  const { scores } = database
  try {
    scores.open(query.scoresPath)
    return await writeArrowStream(database, planScored(relation, query, 1))
  } finally {
    scores.close()
  }
}

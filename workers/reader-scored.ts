import { closeSync, openSync, readSync, statSync } from 'node:fs'
import { DeepWatchError } from '../src/errors.ts'
import type { ScoredQuery } from '../src/reader-types.ts'
import type { Database } from './reader-database.ts'
import { CHUNK_ROWS, type ChunkTarget, TYPE } from './reader-duckdb.ts'
import type { FeedWalk } from './reader-feed.ts'
import { planScored } from './reader-plan-scored.ts'
import type { Relation } from './reader-relation.ts'
import { quoteText, statement } from './reader-statements.ts'

const READ_ROWS = 128 * CHUNK_ROWS

/** Writes the scored source as Parquet. The rows are counted by the statement itself; see `sql/scored.sql`. */
export async function writeScored(
  database: Database,
  relation: Relation,
  query: ScoredQuery,
  outputPath: string | null,
): Promise<{ rows: number; bytes: number }> {
  if (outputPath === null) throw new Error('the session has no output')
  const scores = feedScores(database, query.scoresPath)
  try {
    const { sql, values } = planScored(relation, query)
    const copy = statement('write-scored', { scored: sql, output: quoteText(outputPath) })
    const rows = await database.connection.run(copy, values)
    return { rows, bytes: statSync(outputPath).size }
  } finally {
    scores.close()
  }
}

/** Streams the scored source as Arrow and returns the number of rows; a stream that broke off has no end marker. */
export async function streamScored(database: Database, relation: Relation, query: ScoredQuery): Promise<number> {
  const scores = feedScores(database, query.scoresPath)
  try {
    const { writeArrowStream } = await import('./reader-arrow-writer.ts')
    return await writeArrowStream(database, planScored(relation, query))
  } finally {
    scores.close()
  }
}

/** The table function `scores()` over a raw file of doubles. */
function feedScores(database: Database, path: string): { close(): void } {
  const fd = openSync(path, 'r')
  const columns = [
    { name: 'score', type: TYPE.DOUBLE },
    { name: 'there', type: TYPE.BOOLEAN },
  ]
  database.scores.yields(columns, () => new ScoreWalk(fd))
  return { close: () => closeSync(fd) }
}

class ScoreWalk implements FeedWalk {
  private readonly fd: number
  private readonly scores = new Float64Array(READ_ROWS)
  private readonly there = new Uint8Array(CHUNK_ROWS).fill(1)
  private offset = 0
  private at = 0
  private rows = 0

  constructor(fd: number) {
    this.fd = fd
  }

  next(target: ChunkTarget, wanted: readonly number[]): void {
    if (this.at === this.rows) this.fill()
    const rows = Math.min(CHUNK_ROWS, this.rows - this.at)
    target.rows = rows
    const part = this.scores.subarray(this.at, this.at + rows)
    wanted.forEach((column, index) => {
      target.write(index, column === 0 ? part : this.there.subarray(0, rows))
    })
    this.at += rows
  }

  private fill(): void {
    const bytes = new Uint8Array(this.scores.buffer)
    let filled = 0
    for (;;) {
      const count = readSync(this.fd, bytes, filled, bytes.length - filled, this.offset)
      this.offset += count
      filled += count
      if (count === 0 || filled === bytes.length) break
    }
    if (filled % 8 !== 0) throw new DeepWatchError('internal_error', 'The scores are not whole.')
    this.rows = filled / 8
    this.at = 0
  }
}

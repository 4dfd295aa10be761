import { collectOften } from './collect.ts'
import type { ChunkTarget, Connection, TYPE } from './duckdb.ts'

/** A column handed to the database, under a name of ours. */
export interface FeedColumn {
  readonly name: string
  readonly type: (typeof TYPE)[keyof typeof TYPE]
}

/** One walk over a source that we decode ourselves. */
export interface FeedWalk {
  /**
   * Sets the number of rows of `target` and writes the columns of these numbers, in this order; 0 rows are the end. What it
   * throws ends the statement and is kept as the feed's failure.
   */
  next(target: ChunkTarget, columns: readonly number[]): void
}

/**
 * A table function of ours: hands a source that we decode to the database, so that the same statements read it. Registered
 * once; what it yields is set before the statement that uses it.
 */
export class Feed {
  /** What ended the last walk early; null when nothing did. */
  failure: unknown = null
  /** Rows handed over since the process started. */
  rows = 0
  private columns: readonly FeedColumn[] = []
  private walk: () => FeedWalk = () => {
    throw new Error('nothing is fed')
  }

  constructor(connection: Connection, name: string) {
    connection.registerTableFunction(name, {
      columns: () => this.columns,
      start: (wanted) => {
        this.failure = null
        const walk = this.walk()
        const collect = collectOften()
        return (target) => {
          try {
            collect()
            walk.next(target, wanted)
            this.rows += target.rows
            return true
          } catch (error) {
            this.failure = error
            return false
          }
        }
      },
    })
  }

  /** What the next statements get. */
  yields(columns: readonly FeedColumn[], walk: () => FeedWalk): void {
    this.columns = columns
    this.walk = walk
  }
}

/** Writes a column of doubles, or of booleans as 0 and 1; null where `value` gives null. */
export function writeNumbers(
  target: ChunkTarget,
  column: number,
  values: Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  value: (row: number) => number | boolean | null,
): void {
  let nulls: Uint8Array | null = null
  for (let row = 0; row < target.rows; row++) {
    const each = value(row)
    if (each === null) {
      nulls ??= new Uint8Array(target.rows)
      nulls[row] = 1
    } else values[row] = Number(each)
  }
  target.write(column, values.subarray(0, target.rows), nulls === null ? null : (row) => nulls?.[row] === 0)
}

import {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  type DuckDBConnection,
  DuckDBTableFunction,
  FLOAT,
  INTEGER,
  SMALLINT,
  TIMESTAMPTZ,
  TINYINT,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  VARCHAR,
} from '@duckdb/node-api'
import { collectOften } from './collect.ts'
import { ChunkTarget } from './vectors.ts'

/** Types of columns that can be fed. */
const FED = {
  BIGINT,
  BOOLEAN,
  DOUBLE,
  FLOAT,
  INTEGER,
  SMALLINT,
  TIMESTAMPTZ,
  TINYINT,
  UBIGINT,
  UINTEGER,
  USMALLINT,
  UTINYINT,
  VARCHAR,
}
export type FeedType = keyof typeof FED

/** A column handed to the database, under a name of ours. */
export interface FeedColumn {
  readonly name: string
  readonly type: FeedType
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

  constructor(connection: DuckDBConnection, name: string) {
    connection.registerTableFunction(
      DuckDBTableFunction.create({
        name,
        supportsProjectionPushdown: true,
        bindFunction: (info) => {
          for (const { name, type } of this.columns) info.addResultColumn(name, FED[type])
        },
        initFunction: (info) => {
          // Rows come in order from one reader.
          info.setMaxThreads(1)
          info.setInitData({ next: this.start(info.getColumnIndexes()) })
        },
        mainFunction: (info, chunk) => (info.initData as FedRows).next(new ChunkTarget(chunk)),
      }),
    )
  }

  /** What the next statements get. */
  yields(columns: readonly FeedColumn[], walk: () => FeedWalk): void {
    this.columns = columns
    this.walk = walk
  }

  /** Starts a walk over these columns; each call of the result fills one chunk. */
  private start(wanted: readonly number[]): FedRows['next'] {
    this.failure = null
    const walk = this.walk()
    const collect = collectOften()
    return (target) => {
      try {
        collect()
        walk.next(target, wanted)
        this.rows += target.rows
      } catch (error) {
        this.failure = error
        throw error
      }
    }
  }
}

/** What the database keeps of one statement that reads the feed. */
interface FedRows {
  next(target: ChunkTarget): void
}

/** Writes a column of doubles, or of booleans as 0 and 1; null where `value` gives null. */
export function writeNumbers(
  target: ChunkTarget,
  column: number,
  values: Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>,
  value: (row: number) => number | boolean | null,
): void {
  let nulls: Uint8Array | null = null
  const { rows } = target
  for (let row = 0; row < rows; row++) {
    const each = value(row)
    if (each === null) {
      nulls ??= new Uint8Array(rows)
      nulls[row] = 1
    } else values[row] = Number(each)
  }
  target.write(column, values.subarray(0, rows), nulls === null ? null : (row) => nulls?.[row] === 0)
}

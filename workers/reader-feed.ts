import { type DuckDBConnection, type DuckDBDataChunk, DuckDBTableFunction, type DuckDBType } from '@duckdb/node-api'

/** Rows DuckDB takes at a time. */
export const CHUNK_ROWS = 2_048

/** A column handed to the database, under a name of ours. */
export interface FeedColumn {
  readonly name: string
  readonly type: DuckDBType
}

/** One walk over a source that we decode ourselves. */
export interface FeedWalk {
  /**
   * Sets the row count of `chunk` and writes the columns of these numbers, in this order. At most `CHUNK_ROWS` rows; 0 is the
   * end. What it throws ends the statement and is kept as the walk's failure.
   */
  next(chunk: DuckDBDataChunk, columns: readonly number[]): void
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
        bindFunction: (bind) => {
          for (const column of this.columns) bind.addResultColumn(column.name, column.type)
        },
        initFunction: (init) => {
          // Rows come in order from one reader.
          init.setMaxThreads(1)
          this.failure = null
          init.setInitData({ walk: this.walk(), columns: init.getColumnIndexes() })
        },
        mainFunction: (info, chunk) => {
          const { walk, columns } = info.getInitData() as { walk: FeedWalk; columns: number[] }
          try {
            walk.next(chunk, columns)
            this.rows += chunk.rowCount
          } catch (error) {
            this.failure = error
            // The text goes no further: the failure itself is reported.
            info.setError('deepwatch:feed')
          }
        },
      }),
    )
  }

  /** What the next statements get. */
  yields(columns: readonly FeedColumn[], walk: () => FeedWalk): void {
    this.columns = columns
    this.walk = walk
  }
}

/** Writes one column of a chunk, null where `value` gives null. */
export function writeColumn(chunk: DuckDBDataChunk, at: number, rows: number, value: (row: number) => unknown): void {
  const vector = chunk.getColumnVector(at) as { setItem(row: number, value: unknown): void; flush(): void }
  for (let row = 0; row < rows; row++) vector.setItem(row, value(row))
  vector.flush()
}

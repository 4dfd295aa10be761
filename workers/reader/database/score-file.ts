import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { BIGINT, DOUBLE, type DuckDBConnection, type DuckDBDoubleVector, DuckDBScalarFunction } from '@duckdb/node-api'
import { DeepWatchError } from '../../../src/errors.ts'
import { collectOften } from './collect.ts'
import { CHUNK_ROWS, Chunk } from './vectors.ts'

const READ_ROWS = 128 * CHUNK_ROWS

/**
 * The function `score_at(position)` over a raw file of doubles. It knows which positions were asked for, so that afterwards it can
 * tell whether there were exactly as many rows as scores.
 */
export class ScoreFile {
  /** What went wrong while a statement asked for scores. */
  failure: unknown = null
  private readonly scores = new Float64Array(READ_ROWS)
  private fd: number | null = null
  /** Scores in the file. */
  private count = 0
  /** Positions [first, first + rows) are in `scores`. */
  private first = 0
  private rows = 0
  /** The highest position asked for. */
  private highest = -1

  constructor(connection: DuckDBConnection) {
    const collect = collectOften()
    connection.registerScalarFunction(
      DuckDBScalarFunction.create({
        name: 'score_at',
        parameterTypes: [BIGINT],
        returnType: DOUBLE,
        // Computed once per row where it stands, never moved or repeated.
        volatile: true,
        mainFunction: (_, input, output) => {
          collect()
          try {
            this.fill(new Chunk(input).bigints(0), output as DuckDBDoubleVector)
          } catch (error) {
            this.failure = error
            throw error
          }
        },
      }),
    )
  }

  /** Does some work that takes its scores from this file. Throws when it had not exactly as many rows as there are scores. */
  async during<Result>(path: string, work: () => Promise<Result>): Promise<Result> {
    const fd = openSync(path, 'r')
    try {
      const { size } = fstatSync(fd)
      if (size % 8 !== 0) throw new DeepWatchError('internal_error', 'The scores are not whole.')
      this.fd = fd
      this.count = size / 8
      this.rows = 0
      this.highest = -1
      this.failure = null
      const result = await work()
      this.verify()
      return result
    } finally {
      this.fd = null
      closeSync(fd)
    }
  }

  /** The scores of the next rows, where they are asked for from the first row on; valid until the next call. */
  take(rows: number): Float64Array {
    const first = this.highest + 1
    if (first + rows > this.count) throw mismatch()
    if (first + rows > this.first + this.rows) this.read(first, READ_ROWS)
    this.highest += rows
    return this.scores.subarray(first - this.first, first - this.first + rows)
  }

  /** Throws when the statement had, so far, not exactly as many rows as there are scores. */
  verify(): void {
    if (this.highest + 1 !== this.count) throw mismatch()
  }

  private fill(positions: BigInt64Array, output: DuckDBDoubleVector): void {
    const first = Number(positions[0])
    const rows = positions.length
    // Rows mostly come one after the other, though several threads each have their own place in the file.
    if (Number(positions[rows - 1]) === first + rows - 1) this.read(first, rows)
    for (let row = 0; row < rows; row++) output.setItem(row, this.at(Number(positions[row])))
    output.flush()
  }

  private at(position: number): number {
    if (position < this.first || position >= this.first + this.rows) this.read(position, READ_ROWS)
    if (position > this.highest) this.highest = position
    return this.scores[position - this.first] as number
  }

  /** Reads the scores of this position and of those that follow it, `max` together. */
  private read(position: number, max: number): void {
    if (this.fd === null) throw new Error('no scores are open')
    if (position >= this.count) throw mismatch()
    const rows = Math.min(max, this.count - position)
    const bytes = new Uint8Array(this.scores.buffer, 0, 8 * rows)
    for (let filled = 0; filled < bytes.length; ) {
      const read = readSync(this.fd, bytes, filled, bytes.length - filled, position * 8 + filled)
      if (read === 0) throw mismatch()
      filled += read
    }
    this.first = position
    this.rows = rows
  }
}

function mismatch(): DeepWatchError {
  return new DeepWatchError('internal_error', 'There are not as many scores as rows.')
}

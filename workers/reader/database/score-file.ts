import { closeSync, fstatSync, openSync, readSync } from 'node:fs'
import { DeepWatchError } from '../../../src/errors.ts'
import { collectOften } from './collect.ts'
import { CHUNK_ROWS, type Connection } from './duckdb.ts'

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

  constructor(connection: Connection) {
    const collect = collectOften()
    connection.registerFunction('score_at', (positions, outputs) => {
      collect()
      try {
        this.fill(positions, outputs)
        return true
      } catch (error) {
        this.failure = error
        return false
      }
    })
  }

  /** Takes the scores from this file until `close`. */
  open(path: string): void {
    this.fd = openSync(path, 'r')
    const { size } = fstatSync(this.fd)
    if (size % 8 !== 0) throw new DeepWatchError('internal_error', 'The scores are not whole.')
    this.count = size / 8
    this.rows = 0
    this.highest = -1
    this.failure = null
  }

  /** The scores of the next rows, where they are asked for from the first row on; valid until the next call. */
  take(rows: number): Float64Array {
    const first = this.highest + 1
    if (first + rows > this.count) throw mismatch()
    if (first + rows > this.first + this.rows) this.read(first)
    this.highest += rows
    return this.scores.subarray(first - this.first, first - this.first + rows)
  }

  /** Throws when the statement had not exactly as many rows as there are scores. */
  verify(): void {
    if (this.highest + 1 !== this.count) throw mismatch()
  }

  close(): void {
    if (this.fd !== null) closeSync(this.fd)
    this.fd = null
  }

  /** Rows mostly come one after the other, and then their scores are read in one piece: a tenth of the time of asking for each. */
  private fill(positions: BigInt64Array, outputs: Float64Array): void {
    const rows = positions.length
    const first = Number(positions[0] ?? 0)
    const isRun = rows > 0 && Number(positions[rows - 1]) === first + rows - 1
    if (!isRun || first + rows > this.count) {
      for (let i = 0; i < rows; i++) outputs[i] = this.at(Number(positions[i]))
      return
    }
    this.readInto(new Uint8Array(outputs.buffer, outputs.byteOffset, 8 * rows), first)
    if (first + rows - 1 > this.highest) this.highest = first + rows - 1
  }

  private at(position: number): number {
    if (position >= this.count) throw mismatch()
    if (position < this.first || position >= this.first + this.rows) this.read(position)
    if (position > this.highest) this.highest = position
    return this.scores[position - this.first] as number
  }

  /** Positions come in order, so what follows one is read with it. */
  private read(position: number): void {
    const rows = Math.min(this.scores.length, this.count - position)
    this.readInto(new Uint8Array(this.scores.buffer, 0, 8 * rows), position)
    this.first = position
    this.rows = rows
  }

  private readInto(bytes: Uint8Array, position: number): void {
    if (this.fd === null) throw new Error('no scores are open')
    for (let filled = 0; filled < bytes.length; ) {
      const read = readSync(this.fd, bytes, filled, bytes.length - filled, position * 8 + filled)
      if (read === 0) throw mismatch()
      filled += read
    }
  }
}

function mismatch(): DeepWatchError {
  return new DeepWatchError('internal_error', 'There are not as many scores as rows.')
}

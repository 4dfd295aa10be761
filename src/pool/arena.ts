/** Shared memory that is used over and over: making it anew costs the main thread more than filling it, and lies about until it is collected. */
import { type Block, shareBytes } from '../kernels/index.ts'

/** Larger arenas are not kept. */
const maxKeptBytes = 4 * 1024 * 1024

/** Memory for one block and its scores. */
export class Arena {
  #values = new Float64Array(new SharedArrayBuffer(0))
  #scores = new Float64Array(new SharedArrayBuffer(0))
  #flags = new Uint8Array(new SharedArrayBuffer(0))
  #rows = 0

  get bytes(): number {
    return this.#values.byteLength + this.#scores.byteLength + this.#flags.byteLength
  }

  /** Room for `rows` times `columns` values; what is in it belongs to an earlier block. */
  block(rows: number, columns: number): Block {
    if (this.#values.length < rows * columns) this.#values = new Float64Array(shared(8 * rows * columns))
    if (this.#flags.length < rows) {
      this.#scores = new Float64Array(shared(8 * rows))
      this.#flags = new Uint8Array(shared(rows))
    }
    this.#rows = rows
    this.#flags.fill(0, 0, rows)
    return { values: this.#values, stride: rows, rows, columns }
  }

  /** Room for the scores of the block. */
  get scores(): Float64Array<SharedArrayBuffer> {
    return this.#scores.subarray(0, this.#rows)
  }

  /** Room for the marks of the block, all 0. */
  get flags(): Uint8Array<SharedArrayBuffer> {
    return this.#flags.subarray(0, this.#rows)
  }
}

/** At least `bytes`, with room to grow into. */
const shared = (bytes: number) => shareBytes(2 ** Math.ceil(Math.log2(bytes)))

/** Hands out arenas; at most `max` are kept for the next ones. */
export function createArenas(max: number): { take(): Arena; giveBack(arena: Arena): void } {
  const free: Arena[] = []
  return {
    take: () => free.pop() ?? new Arena(),
    giveBack(arena) {
      if (free.length < max && arena.bytes <= maxKeptBytes) free.push(arena)
    },
  }
}

/** Where the threads write the scores of a block: one score and one mark per row, the marks being 0. */
export interface ScoreRoom {
  readonly scores: Float64Array<SharedArrayBuffer>
  readonly flags: Uint8Array<SharedArrayBuffer>
  /** Once, when nobody reads or writes there any more. */
  giveBack(): void
}

/** Hands out rooms for the scores of blocks; at most `max` are kept for the next ones, the latest. */
export function createScoreRooms(max: number): (rows: number) => ScoreRoom {
  const free: Pick<ScoreRoom, 'scores' | 'flags'>[] = []
  return (rows) => {
    const at = free.findIndex(({ flags }) => flags.length >= rows)
    const room = free.splice(at === -1 ? free.length : at, 1)[0] ?? {
      scores: new Float64Array(shareBytes(8 * rows)),
      flags: new Uint8Array(shareBytes(rows)),
    }
    return {
      scores: room.scores.subarray(0, rows),
      flags: room.flags.subarray(0, rows).fill(0),
      giveBack() {
        if (free.length === max) free.shift()
        free.push(room)
      },
    }
  }
}

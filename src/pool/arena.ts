/** Shared memory that is used over and over: making it anew costs the main thread more than filling it, and lies about until it is collected. */
import { type Block, shareBytes } from '../kernels/index.ts'

/** Larger arenas are not kept. */
const mostKeptBytes = 4 * 1024 * 1024

/** Memory for one block and its scores. */
export interface Arena {
  /** `rows` times `lanes` values, of an earlier block. */
  block(rows: number, lanes: number): Block
  /** The scores of the block, of an earlier one. */
  readonly scores: Float64Array<SharedArrayBuffer>
  /** The marks of the block, all 0. */
  readonly flags: Uint8Array<SharedArrayBuffer>
}

/** Hands out arenas; at most `most` are kept for the next ones. */
export function createArenas(most: number): { take(): Arena; giveBack(arena: Arena): void } {
  const free: GrowingArena[] = []
  return {
    take: () => free.pop() ?? new GrowingArena(),
    giveBack(arena) {
      if (free.length < most && (arena as GrowingArena).bytes <= mostKeptBytes) free.push(arena as GrowingArena)
    },
  }
}

/** Where the threads write what a block comes to: one score and one mark per row, the marks being 0. */
export interface ScoreRoom {
  readonly scores: Float64Array<SharedArrayBuffer>
  readonly flags: Uint8Array<SharedArrayBuffer>
  /** Once, when nobody reads or writes there any more. */
  giveBack(): void
}

/**
 * Hands out rooms for the scores of blocks; at most `most` are kept for the next ones. New memory for every block of a long file lay
 * about until the young were collected, which was every four seconds, or 70 MiB.
 */
export function createScoreRooms(most: number): (rows: number) => ScoreRoom {
  const free: Pick<ScoreRoom, 'scores' | 'flags'>[] = []
  return (rows) => {
    const at = free.findIndex(({ flags }) => flags.length >= rows)
    const room =
      at === -1
        ? {
            scores: new Float64Array(shareBytes(8 * rows)),
            flags: new Uint8Array(shareBytes(rows)),
          }
        : free.splice(at, 1)[0]!
    return {
      scores: room.scores.subarray(0, rows),
      flags: room.flags.subarray(0, rows).fill(0),
      giveBack() {
        if (free.length === most) free.shift()
        free.push(room)
      },
    }
  }
}

class GrowingArena implements Arena {
  #values = new Float64Array(new SharedArrayBuffer(0))
  #scores = new Float64Array(new SharedArrayBuffer(0))
  #flags = new Uint8Array(new SharedArrayBuffer(0))
  #rows = 0

  get bytes(): number {
    return this.#values.byteLength + this.#scores.byteLength + this.#flags.byteLength
  }

  block(rows: number, lanes: number): Block {
    if (this.#values.length < rows * lanes) this.#values = new Float64Array(shared(8 * rows * lanes))
    if (this.#flags.length < rows) {
      this.#scores = new Float64Array(shared(8 * rows))
      this.#flags = new Uint8Array(shared(rows))
    }
    this.#rows = rows
    this.#flags.fill(0, 0, rows)
    return { values: this.#values, stride: rows, rows, columns: lanes }
  }

  get scores(): Float64Array<SharedArrayBuffer> {
    return this.#scores.subarray(0, this.#rows)
  }

  get flags(): Uint8Array<SharedArrayBuffer> {
    return this.#flags.subarray(0, this.#rows)
  }
}

/** At least `bytes`, with room to grow into. */
const shared = (bytes: number) => shareBytes(2 ** Math.ceil(Math.log2(bytes)))

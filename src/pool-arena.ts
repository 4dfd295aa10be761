/** Shared memory that small calls are put together in, over and over: making it anew costs the main thread more than filling it. */
import type { Block } from './kernels/block.ts'

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
    return { values: this.#values, stride: rows, rows, lanes }
  }

  get scores(): Float64Array<SharedArrayBuffer> {
    return this.#scores.subarray(0, this.#rows)
  }

  get flags(): Uint8Array<SharedArrayBuffer> {
    return this.#flags.subarray(0, this.#rows)
  }
}

/** At least `bytes`, with room to grow into. */
const shared = (bytes: number) => new SharedArrayBuffer(2 ** Math.ceil(Math.log2(bytes)))

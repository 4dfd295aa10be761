/** Shared memory that is used over and over: making it anew costs the main thread more than filling it, and lies about until it is collected. */
import { shareBytes } from '../kernels/index.ts'

/** Hands out rooms for doubles, what is in them belongs to earlier ones; keeps at most `max` of up to `maxBytes` each for later, the latest. */
export function createRooms(max: number, maxBytes: number = Number.POSITIVE_INFINITY) {
  const free: Float64Array<SharedArrayBuffer>[] = []
  return {
    /** A room for at least so many values. */
    take(values: number): Float64Array<SharedArrayBuffer> {
      const at = free.findIndex(({ length }) => length >= values)
      return free.splice(at === -1 ? free.length : at, 1)[0] ?? new Float64Array(shareBytes(8 * values))
    },
    /** Once, when nobody reads or writes there any more. */
    giveBack(room: Float64Array<SharedArrayBuffer>): void {
      if (room.byteLength > maxBytes) return
      if (free.length === max) free.shift()
      free.push(room)
    },
  }
}

/** Where the threads write the scores of a block: one score and one mark per row, the marks being 0 before. */
export interface ScoresInto {
  readonly scores: Float64Array<SharedArrayBuffer>
  readonly flags: Uint8Array<SharedArrayBuffer>
}

/** Hands out rooms for the scores of blocks; at most `max` are kept for the next ones, the latest. `giveBack` as in `createRooms`. */
export function createScoreRooms(max: number): (rows: number) => ScoresInto & { giveBack(): void } {
  const rooms = createRooms(max)
  return (rows) => {
    const room = rooms.take(Math.ceil((9 * rows) / 8))
    const flags = new Uint8Array(room.buffer, 8 * rows, rows).fill(0)
    return { scores: room.subarray(0, rows), flags, giveBack: () => rooms.giveBack(room) }
  }
}

import { writevSync } from 'node:fs'
import { blockRows } from '../../../src/kernels/index.ts'
import { BLOCK_HEAD_BYTES, exchangePlaces, FRAME } from '../../../src/reader/index.ts'
import type { TextBuffer } from '../database/index.ts'
import { awaitTaken, send } from './pipe.ts'

const EXCHANGE = 4
/** A shorter block is quicker through the pipe. */
const MIN_PLACED_BYTES = 64 * 1024

let exchange: ReturnType<typeof createExchange> | null = null

/** From here on blocks go into the exchange, which the parent opened as file descriptor 4. */
export function useExchange(): void {
  exchange = createExchange(EXCHANGE, awaitTaken)
}

/**
 * Collects rows into full blocks and sends each as one frame, columns one after the other. Where blocks are cut depends on
 * the number of columns alone, never on how the source hands out its rows.
 */
export class BlockWriter {
  readonly stride: number
  /** Column `c` of row `r` stands at `c * stride + r`. */
  readonly values: Float64Array
  /** Rows collected and not sent yet. */
  rows = 0
  private readonly columns: number
  private readonly text: TextBuffer | null

  /** `text` collects the text of the same rows, where there is any; `byEntity` as for `blockRows`. */
  constructor(columns: number, text: TextBuffer | null, byEntity: boolean) {
    this.columns = columns
    this.text = text
    this.stride = blockRows(columns, byEntity)
    this.values = new Float64Array(this.stride * columns)
  }

  /** Room left in the block. */
  get room(): number {
    return this.stride - this.rows
  }

  /** Counts rows whose values were put into `values`, and sends the block when it is full. */
  advance(rows: number): void {
    this.rows += rows
    if (this.rows === this.stride) this.flush()
  }

  /** Sends what is left, if anything. */
  flush(): void {
    if (this.rows === 0) return
    const text = this.text?.take() ?? new Uint8Array(0)
    const head = new Uint8Array(BLOCK_HEAD_BYTES)
    new DataView(head.buffer).setUint32(0, this.rows, true)
    new DataView(head.buffer).setUint32(4, text.byteLength, true)
    const columns: Uint8Array[] = []
    if (this.rows === this.stride) columns.push(bytesOf(this.values, 0, this.values.length))
    else
      for (let column = 0; column < this.columns; column++)
        columns.push(bytesOf(this.values, column * this.stride, this.rows))
    const isShort = this.rows * this.columns * 8 < MIN_PLACED_BYTES
    if (!isShort && exchange?.put(columns, this.values.byteLength)) send(FRAME.placed, head, text)
    else send(FRAME.block, head, ...columns, text)
    this.rows = 0
  }
}

function bytesOf(values: Float64Array, from: number, length: number): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset + from * 8, length * 8)
}

/**
 * The reading process's end of the exchange: blocks are put into places of a file that both processes hold open. Waits for a place
 * when the parent lags behind, which is flow control as a full pipe is.
 * @param awaitTaken waits until the parent took a block out
 */
export function createExchange(fd: number, awaitTaken: () => void) {
  let placed = 0
  /** Blocks that the parent did not take out yet. */
  let waiting = 0
  let isUsable = true
  return {
    /**
     * Puts the parts of a block, one behind the other, into the next place. False when there is no room for them, from then on for
     * ever: such a block takes the pipe.
     * @param placeBytes bytes from one place to the next
     */
    put(parts: readonly Uint8Array[], placeBytes: number): boolean {
      if (!isUsable) return false
      if (waiting === exchangePlaces) {
        awaitTaken()
        waiting--
      }
      const from = (placed % exchangePlaces) * placeBytes
      const wanted = parts.reduce((sum, { byteLength }) => sum + byteLength, 0)
      try {
        isUsable = writevSync(fd, parts, from) === wanted
      } catch {
        // A full disk, or little memory set aside for such files.
        isUsable = false
      }
      if (!isUsable) return false
      placed++
      waiting++
      return true
    },
  }
}

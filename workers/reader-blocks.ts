import { DeepWatchError } from '../src/errors.ts'
import { blockRows } from '../src/kernels/block.ts'
import { FRAME } from '../src/reader-frames.ts'
import { send } from './reader-pipe.ts'

/** Text of one block; a row of text is bounded by the database's own memory limit before it gets here. */
const BLOCK_TEXT_BYTES = 128 * 1024 * 1024
const TEXT_START_BYTES = 1024 * 1024
const LINE_END = 10

/**
 * Collects rows into full blocks and sends each as one frame, lanes one after the other. Where blocks are cut depends on
 * the number of lanes alone, never on how the source hands out its rows.
 */
export class BlockWriter {
  readonly stride: number
  /** Lane `l` of row `r` stands at `l * stride + r`. */
  readonly values: Float64Array
  /** Rows collected and not sent yet. */
  rows = 0
  private readonly lanes: number
  private readonly hasText: boolean
  private text: Buffer
  private textBytes = 0
  private decodedBytes = 0
  private readonly maxTextBytes: number

  constructor(lanes: number, hasText: boolean, maxTextBytes: number) {
    this.lanes = lanes
    this.stride = blockRows(lanes)
    this.values = new Float64Array(this.stride * lanes)
    this.hasText = hasText
    this.text = Buffer.allocUnsafe(hasText ? TEXT_START_BYTES : 0)
    this.maxTextBytes = maxTextBytes
  }

  /** Room left in the block. */
  get room(): number {
    return this.stride - this.rows
  }

  /** Adds the text of one row, without a line end in it; throws `decoded_too_large`. */
  addText(line: Uint8Array): void {
    const end = this.textBytes + line.byteLength + 1
    this.decodedBytes += line.byteLength + 1
    if (this.decodedBytes > this.maxTextBytes || end > BLOCK_TEXT_BYTES) {
      throw new DeepWatchError('decoded_too_large', 'The columns to include hold more text than is allowed.')
    }
    if (end > this.text.length) {
      const grown = Buffer.allocUnsafe(Math.max(end, 2 * this.text.length))
      this.text.copy(grown, 0, 0, this.textBytes)
      this.text = grown
    }
    this.text.set(line, this.textBytes)
    this.text[end - 1] = LINE_END
    this.textBytes = end
  }

  /** Counts rows whose values were put into `values`, and sends the block when it is full. */
  advance(rows: number): void {
    this.rows += rows
    if (this.rows === this.stride) this.flush()
  }

  /** Sends what is left, if anything. */
  flush(): void {
    if (this.rows === 0) return
    // The last line needs no end.
    const text = this.text.subarray(0, this.hasText ? this.textBytes - 1 : 0)
    const head = new Uint8Array(8)
    new DataView(head.buffer).setUint32(0, this.rows, true)
    new DataView(head.buffer).setUint32(4, text.byteLength, true)
    const lanes: Uint8Array[] = []
    if (this.rows === this.stride) lanes.push(bytesOf(this.values, 0, this.values.length))
    else for (let lane = 0; lane < this.lanes; lane++) lanes.push(bytesOf(this.values, lane * this.stride, this.rows))
    send(FRAME.block, head, ...lanes, text)
    this.textBytes = 0
    this.rows = 0
  }
}

function bytesOf(values: Float64Array, from: number, length: number): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset + from * 8, length * 8)
}

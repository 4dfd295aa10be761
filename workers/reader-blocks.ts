import { DeepWatchError } from '../src/errors.ts'
import { blockRows } from '../src/kernels/block.ts'
import { FRAME } from '../src/reader-frames.ts'
import { send } from './reader-pipe.ts'

/** Text of one block; a row of text is bounded by the database's own memory limit before it gets here. */
const BLOCK_TEXT_BYTES = 128 * 1024 * 1024

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
  private text: string[] | null
  private textBytes = 0
  private decodedBytes = 0
  private readonly maxTextBytes: number

  constructor(lanes: number, hasText: boolean, maxTextBytes: number) {
    this.lanes = lanes
    this.stride = blockRows(lanes)
    this.values = new Float64Array(this.stride * lanes)
    this.text = hasText ? [] : null
    this.maxTextBytes = maxTextBytes
  }

  /** Room left in the block. */
  get room(): number {
    return this.stride - this.rows
  }

  /** Adds the text of one row; throws `decoded_too_large`. */
  addText(line: string): void {
    const bytes = Buffer.byteLength(line) + 1
    this.textBytes += bytes
    this.decodedBytes += bytes
    if (this.decodedBytes > this.maxTextBytes || this.textBytes > BLOCK_TEXT_BYTES) {
      throw new DeepWatchError('decoded_too_large', 'The columns to include hold more text than is allowed.')
    }
    this.text?.push(line)
  }

  /** Counts rows whose values were put into `values`, and sends the block when it is full. */
  advance(rows: number): void {
    this.rows += rows
    if (this.rows === this.stride) this.flush()
  }

  /** Sends what is left, if anything. */
  flush(): void {
    if (this.rows === 0) return
    const text = this.text === null ? new Uint8Array(0) : Buffer.from(this.text.join('\n'))
    const head = new Uint8Array(8)
    new DataView(head.buffer).setUint32(0, this.rows, true)
    new DataView(head.buffer).setUint32(4, text.byteLength, true)
    const lanes: Uint8Array[] = []
    if (this.rows === this.stride) lanes.push(bytesOf(this.values, 0, this.values.length))
    else for (let lane = 0; lane < this.lanes; lane++) lanes.push(bytesOf(this.values, lane * this.stride, this.rows))
    send(FRAME.block, head, ...lanes, text)
    if (this.text !== null) this.text = []
    this.textBytes = 0
    this.rows = 0
  }
}

function bytesOf(values: Float64Array, from: number, length: number): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset + from * 8, length * 8)
}

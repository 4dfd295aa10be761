import { shareBytes } from '../kernels/index.ts'

/** Blocks that may be out at once; the next one is read only when one came back. Whoever holds more waits for ever. */
export const MAX_BLOCKS = 6

/** Shared memory for blocks, used again and again. */
export class Slabs {
  private readonly length: number
  private readonly idle: Float64Array<SharedArrayBuffer>[] = []
  private readonly out = new Set<Float64Array<SharedArrayBuffer>>()
  private waiting: ((slab: Float64Array<SharedArrayBuffer>) => void) | null = null

  /** @param length values of a block */
  constructor(length: number) {
    this.length = length
  }

  /** A slab nobody uses; waits for one when the most are out. */
  async free(): Promise<Float64Array<SharedArrayBuffer>> {
    const slab = this.idle.pop() ?? (this.out.size < MAX_BLOCKS ? this.create() : await this.next())
    this.out.add(slab)
    return slab
  }

  /** Gives a slab back. Doing it twice has no effect. */
  release(slab: Float64Array<SharedArrayBuffer>): void {
    if (!this.out.delete(slab)) return
    const { waiting } = this
    this.waiting = null
    if (waiting !== null) waiting(slab)
    else this.idle.push(slab)
  }

  private create(): Float64Array<SharedArrayBuffer> {
    return new Float64Array(shareBytes(8 * this.length))
  }

  private next(): Promise<Float64Array<SharedArrayBuffer>> {
    return new Promise((fulfil) => {
      this.waiting = fulfil
    })
  }
}

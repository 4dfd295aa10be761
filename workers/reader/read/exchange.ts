import { writevSync } from 'node:fs'
import { exchangePlaces } from '../../../src/reader/index.ts'

/**
 * The reading process's end of the exchange: blocks are put into places of a file that both processes hold open. Waits for a place
 * when the parent lags behind, which is flow control as a full pipe is.
 */
export class Exchange {
  private readonly fd: number
  private readonly awaitTaken: () => void
  private placed = 0
  /** Blocks that the parent did not take out yet. */
  private waiting = 0
  private isUsable = true

  /** @param awaitTaken waits until the parent took a block out */
  constructor(fd: number, awaitTaken: () => void) {
    this.fd = fd
    this.awaitTaken = awaitTaken
  }

  /**
   * Puts the parts of a block, one behind the other, into the next place. False when there is no room for them, from then on for
   * ever: such a block takes the pipe.
   * @param placeBytes bytes from one place to the next
   */
  put(parts: readonly Uint8Array[], placeBytes: number): boolean {
    if (!this.isUsable) return false
    if (this.waiting === exchangePlaces) {
      this.awaitTaken()
      this.waiting--
    }
    const from = (this.placed % exchangePlaces) * placeBytes
    const wanted = parts.reduce((sum, { byteLength }) => sum + byteLength, 0)
    try {
      this.isUsable = writevSync(this.fd, parts, from) === wanted
    } catch {
      // A full disk, or little memory set aside for such files.
      this.isUsable = false
    }
    if (!this.isUsable) return false
    this.placed++
    this.waiting++
    return true
  }
}

/**
 * The parent's end of an exchange: a file without a name, in memory where the machine offers that, into which a reading process puts
 * its blocks and from which they go into shared memory by one copy that no event loop makes.
 */
import { randomUUID } from 'node:crypto'
import { close, closeSync, openSync, readv, rmSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { exchangePlaces } from './frames.ts'

/** Memory as a file system, on Linux. Elsewhere the file lies in the state folder. */
const memoryFolder = '/dev/shm'

export class ReaderExchange {
  /** Given to the process when it starts; null when no file could be made, and blocks take the pipe. */
  readonly fd: number | null
  private taken = 0
  private underWay = 0
  private ended = false

  /** @param folder where the file is made when it cannot lie in memory */
  constructor(folder: string) {
    this.fd = openNameless(memoryFolder) ?? openNameless(folder)
  }

  /**
   * Fills `parts` with the next block, wherever they lie, and fulfils when its place may be used again.
   * @param placeBytes bytes from one place to the next
   */
  async take(parts: readonly Uint8Array[], placeBytes: number): Promise<void> {
    if (this.fd === null || this.ended) throw new Error('there is no exchange')
    const from = (this.taken++ % exchangePlaces) * placeBytes
    this.underWay++
    try {
      await readAll(this.fd, parts, from)
    } finally {
      this.underWay--
      this.closeWhenIdle()
    }
  }

  /** Closes the file once nothing is read from it any more: a number that is closed early could be another file's by then. */
  end(): void {
    if (this.ended) return
    this.ended = true
    this.closeWhenIdle()
  }

  private closeWhenIdle(): void {
    if (this.ended && this.underWay === 0 && this.fd !== null) close(this.fd, () => {})
  }
}

function openNameless(folder: string): number | null {
  const path = join(folder, `deepwatch-${randomUUID()}`)
  let fd: number | null = null
  try {
    fd = openSync(path, 'wx+', 0o600)
    unlinkSync(path)
    return fd
  } catch {
    // No such folder, no room, or a system that keeps the names of open files.
    if (fd !== null) {
      closeSync(fd)
      rmSync(path, { force: true })
    }
    return null
  }
}

async function readAll(fd: number, parts: readonly Uint8Array[], from: number): Promise<void> {
  const wanted = parts.reduce((sum, { byteLength }) => sum + byteLength, 0)
  const { bytesRead } = await promisify(readv)(fd, parts, from)
  if (bytesRead !== wanted) throw new Error(`an exchange gave ${bytesRead} of ${wanted} bytes`)
}

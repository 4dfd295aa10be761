import { readSync, writevSync } from 'node:fs'
import { frameHeader } from '../../../src/reader/index.ts'

const ANSWERS = 3

const acknowledgement = new Uint8Array(1)

/**
 * Writes one frame. Blocks while the parent lags behind, which is all the flow control there is: the database fills its own
 * small buffer meanwhile and then waits too. Ends the process when the parent is gone.
 */
export function send(kind: number, ...parts: readonly Uint8Array[]): void {
  const length = parts.reduce((sum, { byteLength }) => sum + byteLength, 0)
  let left: Uint8Array[] = [frameHeader(kind, length), ...parts]
  while (left.length > 0) {
    let written: number
    try {
      written = writevSync(ANSWERS, left)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') continue
      process.kill(process.pid, 'SIGKILL')
      throw error
    }
    left = rest(left, written)
  }
}

function rest(parts: Uint8Array[], written: number): Uint8Array[] {
  let at = 0
  let skip = written
  while (at < parts.length && skip >= (parts[at] as Uint8Array).byteLength)
    skip -= (parts[at++] as Uint8Array).byteLength
  const left = parts.slice(at)
  if (left.length > 0 && skip > 0) left[0] = (left[0] as Uint8Array).subarray(skip)
  return left
}

/** Waits until the parent took a block out of the exchange. */
export function awaitTaken(): void {
  for (;;) {
    try {
      if (readSync(ANSWERS, acknowledgement) === 1) return
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EAGAIN') continue
    }
    process.kill(process.pid, 'SIGKILL')
  }
}

/** Writes a frame whose payload is JSON. */
export function sendJson(kind: number, value: unknown): void {
  send(kind, Buffer.from(JSON.stringify(value)))
}

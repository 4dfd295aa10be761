/** Lines of the log on their way out, put together so that a line costs little more than its text. */
import type { DestinationStream } from 'pino'

/** Where lines are written to, and may wait again. */
export interface LinesOut extends DestinationStream {
  /** Begins to write what waits there. */
  flush(): void
  /** Writes what waits there, before it returns. */
  flushSync(): void
}

/** Where lines wait for company. */
export interface LineCollector extends DestinationStream {
  /** Hands on what waits, before it returns; whether that is written at once is up to the destination. */
  handOn(): void
  /** Hands it on and has it written, before it returns: pino asks for that behind a fatal line. */
  flushSync(): void
}

/**
 * Hands lines on together: once they have `characters`, and at the latest `milliseconds` after one of them came, when the destination
 * is told to write them, too. (pino's own destination joins lines as well, but measures all that waits anew with every line: a
 * twentieth of a request of one row.) Fewer characters than that and one line wait here; what the destination has not written yet
 * is bounded there.
 */
export function collectLines(
  destination: LinesOut,
  { characters, milliseconds }: { readonly characters: number; readonly milliseconds: number },
): LineCollector {
  let lines: string[] = []
  let length = 0
  let isTimed = false

  function handOn(): void {
    if (lines.length === 0) return
    const text = lines.join('')
    lines = []
    length = 0
    destination.write(text)
  }

  function writeDown(): void {
    isTimed = false
    if (lines.length === 0) return
    handOn()
    destination.flush()
  }

  return {
    write(line) {
      lines.push(line)
      length += line.length
      if (length >= characters) handOn()
      // Nobody lives on for a line: what still waits at the end is handed on by whoever ends.
      else if (!isTimed) {
        isTimed = true
        setTimeout(writeDown, milliseconds).unref()
      }
    },
    handOn,
    flushSync() {
      handOn()
      destination.flushSync()
    },
  }
}

/** Lines of the log on their way out, put together so that a line costs little more than its text. */
import type { DestinationStream } from 'pino'

/** Where lines are written to, and may wait again. */
export interface LinesOut extends DestinationStream {
  /** Begins to write what waits there. */
  flush(): void
}

/** Where lines wait for company. */
export interface LineCollector extends DestinationStream {
  /** Hands on what waits, before it returns; whether that is written at once is up to the destination. */
  handOn(): void
}

/**
 * Hands lines on together: once they have `characters`, and every `milliseconds`, when the destination is told to write them. (pino's
 * own destination joins lines, too, but measures all that waits anew with every line: a twentieth of a request of one row.)
 * Fewer characters than that and one line wait here; what the destination has not written yet is bounded there.
 */
export function collectLines(
  destination: LinesOut,
  { characters, milliseconds }: { readonly characters: number; readonly milliseconds: number },
): LineCollector {
  let lines: string[] = []
  let length = 0

  function handOn(): void {
    if (lines.length === 0) return
    const text = lines.join('')
    lines = []
    length = 0
    destination.write(text)
  }

  setInterval(() => {
    handOn()
    destination.flush()
  }, milliseconds).unref()
  return {
    write(line) {
      lines.push(line)
      length += line.length
      if (length >= characters) handOn()
    },
    handOn,
  }
}

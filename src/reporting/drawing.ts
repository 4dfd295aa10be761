/** The thread that draws reports: started when one is asked for, ended when idle, so that nobody who scores feels it. */
import type { Drawn, DrawTask } from '../../workers/messages.ts'
import { DeepWatchError } from '../errors.ts'
import { createGate } from '../flow.ts'
import { programs } from '../places.ts'
import { startThreads } from '../pool/index.ts'

/** Reports under way at once: while the picture of one is rasterised, outside of JavaScript, another is drawn. */
const underWay = 2
/** Reports that may wait for the thread; each holds its facts, up to some hundred KiB. */
const waiting = 16

export type Drawing = ReturnType<typeof createDrawing>

/**
 * @param limits.idleMs a thread without work for this long is ended, and gives its memory back
 * @param limits.maxMs a drawing that takes longer is given up, and the thread with it. Facts are bounded, so it never should
 */
export function createDrawing({ idleMs, maxMs } = { idleMs: 30_000, maxMs: 60_000 }) {
  // Aborting a task that runs ends its thread, and the other drawing with it. So only what waits here is aborted by its caller.
  const gate = createGate(underWay, waiting)
  const thread = startThreads(programs.draw, {
    minThreads: 0,
    maxThreads: 1,
    // Those under way, and the one that warms the thread.
    maxQueue: underWay + 1,
    concurrentTasksPerWorker: underWay,
    idleTimeout: idleMs,
  })

  async function run(task: DrawTask): Promise<Uint8Array> {
    const drawn = (await thread.run('draw', task, AbortSignal.timeout(maxMs)).catch((cause: unknown) => {
      return { ok: false, cause: `the drawing thread died or took too long: ${cause}` }
    })) as Drawn
    if (drawn.ok) return drawn.bytes
    throw new DeepWatchError('internal_error', 'The report could not be drawn.', { cause: new Error(drawn.cause) })
  }

  return {
    /** Starts the thread, so that its code is loaded when the first report is drawn. */
    warm(): void {
      if (thread.size === 0) thread.run('warm', null).catch(() => undefined)
    },
    /** Whether another report would be refused now. */
    get saturated(): boolean {
      return gate.saturated
    },
    /** The bytes of a report. Errors: `overloaded`, `internal_error`, and the signal's reason. */
    draw: (task: DrawTask, signal: AbortSignal): Promise<Uint8Array> =>
      gate.run(async () => {
        const bytes = await run(task)
        signal.throwIfAborted()
        return bytes
      }, signal),
    /** Ends the thread. */
    close: thread.close,
  }
}

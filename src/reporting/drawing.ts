/**
 * The thread that draws reports: one, started when a report is asked for and ended when none was for a while. Drawing takes
 * some hundred milliseconds without a pause and loads a megabyte of code, which nobody who scores should feel.
 */
import { Worker } from 'node:worker_threads'
import type { DrawMessage, Drawn, DrawTask } from '../../workers/messages.ts'
import { DeepWatchError } from '../errors.ts'
import { createGate } from '../flow.ts'
import { programs } from '../places.ts'

export interface Drawing {
  /** Whether another report would be refused now. */
  readonly saturated: boolean
  /** Starts the thread, so that its code is loaded when the first report is drawn. */
  warm(): void
  /** The bytes of a report. Errors: `overloaded`, `internal_error`, and the signal's reason. */
  draw(task: DrawTask, signal: AbortSignal): Promise<Uint8Array>
  /** Ends the thread. */
  close(): Promise<void>
}

/** Reports under way at once: while the picture of one is rasterised, outside of JavaScript, another is drawn. */
const underWay = 2
/** Reports that may wait for the thread; each holds its facts, up to some hundred KiB. */
const waiting = 16
/** JavaScript heap of the thread. */
const heapMb = 512

export interface DrawingLimits {
  /** A thread without work for this long is ended, and gives its memory back. */
  readonly idleMs: number
  /** A drawing that takes longer is given up, and the thread with it. Facts are bounded, so it never should. */
  readonly mostMs: number
}

/** A thread, and whom it owes an answer. */
interface Thread {
  readonly worker: Worker
  readonly owed: Map<number, (drawn: Drawn) => void>
}

export function createDrawing({ idleMs, mostMs }: DrawingLimits = { idleMs: 30_000, mostMs: 60_000 }): Drawing {
  const gate = createGate(underWay, waiting)
  let thread: Thread | null = null
  let tasks = 0
  let idle: NodeJS.Timeout | undefined

  function start(): Thread {
    // The thread inherits neither secrets nor loaders.
    const worker = new Worker(programs.draw, { env: {}, resourceLimits: { maxOldGenerationSizeMb: heapMb } })
    const started: Thread = { worker, owed: new Map() }
    let why: unknown = null
    worker.on('message', (drawn: Drawn) => started.owed.get(drawn.id)?.(drawn))
    worker.on('error', (error) => {
      why = error
    })
    worker.once('exit', () => {
      if (thread === started) thread = null
      const cause = `the drawing thread died: ${why instanceof Error ? why.message : 'it was ended'}`
      for (const [id, tell] of started.owed) tell({ id, ok: false, cause })
    })
    worker.unref()
    return started
  }

  async function end(): Promise<void> {
    clearTimeout(idle)
    const ended = thread
    thread = null
    await ended?.worker.terminate()
  }

  function run(task: DrawTask): Promise<Uint8Array> {
    clearTimeout(idle)
    thread ??= start()
    const { worker, owed } = thread
    const id = tasks++
    return new Promise<Uint8Array>((resolve, reject) => {
      const timer = setTimeout(() => {
        tell({ id, ok: false, cause: 'the drawing took too long' })
        void end()
      }, mostMs)
      const tell = (drawn: Drawn) => {
        clearTimeout(timer)
        owed.delete(id)
        if (owed.size === 0) worker.unref()
        if (drawn.ok) return resolve(drawn.bytes)
        const cause = new Error(drawn.cause)
        reject(new DeepWatchError('internal_error', 'The report could not be drawn.', { cause }))
      }
      owed.set(id, tell)
      worker.ref()
      worker.postMessage({ ...task, id } satisfies DrawMessage)
    }).finally(rest)
  }

  /** Ends the thread when nobody needs it for a while. */
  function rest(): void {
    clearTimeout(idle)
    if (thread !== null && thread.owed.size > 0) return
    idle = setTimeout(() => void end(), idleMs)
    idle.unref()
  }

  return {
    warm() {
      if (thread !== null) return
      thread = start()
      rest()
    },
    get saturated() {
      return gate.saturated
    },
    draw: (task, signal) =>
      gate.run(async () => {
        const bytes = await run(task)
        signal.throwIfAborted()
        return bytes
      }, signal),
    close: end,
  }
}

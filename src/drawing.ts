/**
 * The thread that draws reports: one, started when a report is asked for and ended when none was for a while. Drawing takes
 * some hundred milliseconds without a pause and loads a megabyte of code, which nobody who scores should feel.
 */
import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import type { Drawn, DrawTask } from '../workers/draw.ts'
import { DeepWatchError } from './errors.ts'
import { createGate } from './flow.ts'

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

/** Reports that may wait for the thread; each holds its facts, up to some hundred KiB. */
const waiting = 16
/** JavaScript heap of the thread. */
const heapMb = 512

export interface DrawingLimits {
  /** A thread without work for this long is ended, and gives its memory back. */
  readonly idleMs: number
  /** A drawing that takes longer is given up. Facts are bounded, so it never should. */
  readonly mostMs: number
}

export function createDrawing({ idleMs, mostMs }: DrawingLimits = { idleMs: 30_000, mostMs: 60_000 }): Drawing {
  const gate = createGate(1, waiting)
  let worker: Worker | null = null
  let idle: NodeJS.Timeout | undefined

  function start(): Worker {
    const file = new URL(`../workers/draw${extname(fileURLToPath(import.meta.url))}`, import.meta.url)
    // The thread inherits neither secrets nor loaders.
    const started = new Worker(file, { env: {}, resourceLimits: { maxOldGenerationSizeMb: heapMb } })
    started.on('error', () => undefined)
    started.once('exit', () => {
      if (worker === started) worker = null
    })
    started.unref()
    return started
  }

  async function end(): Promise<void> {
    clearTimeout(idle)
    const ended = worker
    worker = null
    await ended?.terminate()
  }

  function run(task: DrawTask): Promise<Uint8Array> {
    clearTimeout(idle)
    worker ??= start()
    const thread = worker
    return new Promise<Uint8Array>((resolve, reject) => {
      const fail = (cause: unknown) => {
        settle()
        reject(new DeepWatchError('internal_error', 'The report could not be drawn.', { cause }))
      }
      const died = (cause: unknown) => fail(new Error('the drawing thread died', { cause }))
      const answer = (drawn: Drawn) => {
        if (!drawn.ok) return fail(new Error(drawn.cause))
        settle()
        resolve(drawn.bytes)
      }
      const timer = setTimeout(() => {
        fail(new Error('the drawing took too long'))
        void end()
      }, mostMs)
      const settle = () => {
        clearTimeout(timer)
        thread.off('message', answer).off('error', died).off('exit', died).unref()
      }
      thread.on('message', answer).on('error', died).on('exit', died).ref()
      thread.postMessage(task)
    }).finally(rest)
  }

  /** Ends the thread when nobody needs it for a while. */
  function rest(): void {
    clearTimeout(idle)
    idle = setTimeout(() => void end(), idleMs)
    idle.unref()
  }

  return {
    warm() {
      if (worker) return
      worker = start()
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

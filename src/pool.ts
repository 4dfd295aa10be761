import { extname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Piscina } from 'piscina'
import type { FitResult, FitTask, Inspection, InspectTask, Reply, ScoreResult, ScoreTask } from '../workers/messages.ts'
import type { EffectiveSettings } from './detectors/detector.ts'
import { findDetector } from './detectors/index.ts'
import { DeepWatchError, isErrorCode } from './errors.ts'
import type { Block } from './kernels/block.ts'
import type { SampleSet } from './kernels/reservoir.ts'

export type { Inspection } from '../workers/messages.ts'

export interface CallOptions {
  /** Drops the tasks that still wait, at once; those that run finish and are ignored. The call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /**
   * Wait for a turn instead of being refused when the queue is full: for the later blocks of work that
   * was accepted. Whoever sets it bounds the number of its blocks in flight.
   */
  readonly patient?: boolean
}

/** A fitted model as threads need it. */
export interface ScoringModel {
  /** Names the payload and nothing else, for good: what a thread prepared is kept under it. */
  readonly key: string
  /** Id of the detector. */
  readonly detector: string
  readonly payload: SharedArrayBuffer
  /** Number of features; the first lanes of each block. */
  readonly features: number
  /** Training median per feature, which stands in for values that are not finite; null = such rows are not scored. */
  readonly fill: Float64Array | null
}

export interface BlockScores {
  /** One per row of the block: in (0, 1], NaN where the row cannot be scored. Shared memory. */
  readonly scores: Float64Array<SharedArrayBuffer>
  /** One mark per row (`rowMarks`): 0 scored as is, 1 scored with filled values, 2 missing, 3 not finite. Shared memory. */
  readonly flags: Uint8Array<SharedArrayBuffer>
  /** Seconds the threads spent on it, added up. */
  readonly seconds: number
}

export interface FitRequest {
  readonly detector: string
  /** From the detector's `resolve`. */
  readonly effective: EffectiveSettings
  readonly seed: number
  /** One sample per piece; every value finite. */
  readonly samples: SampleSet
  /** Features that are not constant, ascending. */
  readonly varying: readonly number[]
  readonly features: number
}

/** The threads of the service, behind a bounded queue. Every method rejects with a `DeepWatchError`. */
export interface Pool {
  /**
   * Profile and unusable rows of one block, over its first `features` lanes. With `usableOnly` the profile
   * is over the usable rows.
   * @throws `overloaded`, `shutting_down`, `internal_error`
   */
  inspect(block: Block, features: number, options?: CallOptions & { readonly usableOnly?: boolean }): Promise<Inspection>
  /**
   * The payload of a model: the same bytes for any number of threads.
   * @throws `overloaded`, `shutting_down`, `internal_error`
   */
  fit(request: FitRequest, options?: CallOptions): Promise<Uint8Array<ArrayBuffer>>
  /**
   * Scores every row of a block.
   * @throws `overloaded`, `shutting_down`, `model_corrupt`, `internal_error`
   */
  score(model: ScoringModel, block: Block, options?: CallOptions): Promise<BlockScores>
  /** Tasks that wait for a thread. */
  readonly queueSize: number
  /** Share of the threads that work at this moment, 0..1. */
  readonly utilization: number
  /** Whether a new call would be refused now. */
  readonly saturated: boolean
  /** Threads that died since the start. */
  readonly deaths: number
  /** Refuses new calls, finishes the accepted ones, ends the threads. */
  close(): Promise<void>
}

export interface PoolOptions {
  /** Threads; >= 1. */
  readonly threads: number
  /** Tasks that may wait before calls are refused; >= 1. */
  readonly maxQueue: number
}

/** Rows of one scoring task: short enough that nobody waits long behind one, a multiple of the kernel's tile. */
const sliceRows = 16_384
/** Fitting tasks per thread, so that uneven trees leave no thread idle for long. */
const fitTasksPerThread = 4
/** JavaScript heap of a thread; typed arrays are not counted by V8 and are bounded by the block size instead. */
const heapMb = 512

interface Task {
  readonly name: 'inspect' | 'fit' | 'score'
  readonly message: InspectTask | FitTask | ScoreTask
  readonly resolve: (result: unknown) => void
  readonly reject: (error: unknown) => void
  deaths: number
}

/** Starts the threads. */
export function createPool({ threads, maxQueue }: PoolOptions): Pool {
  const worker = new URL(`../workers/detect${extname(fileURLToPath(import.meta.url))}`, import.meta.url)
  const piscina = new Piscina({
    filename: worker.href,
    minThreads: threads,
    maxThreads: threads,
    // The queue is ours: piscina's has no way to drop a waiting task without killing one that runs.
    // Tasks reach piscina only when a thread is free.
    maxQueue: threads,
    idleTimeout: Number.POSITIVE_INFINITY,
    // Threads inherit neither secrets nor loaders.
    env: {},
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
    recordTiming: false,
  })
  let deaths = 0
  // A thread that dies while it works rejects its task; one that dies idle emits this event, which
  // would end the process if nobody listened.
  piscina.on('error', () => {
    deaths++
  })

  const waiting: Task[] = []
  let running = 0
  let closing = false
  let idle: (() => void) | undefined

  function dispatch(): void {
    while (running < threads) {
      const task = waiting.shift()
      if (task === undefined) break
      running++
      void run(task)
    }
    if (running === 0) idle?.()
  }

  /** Runs one task; settles it, never rejects. */
  async function run(task: Task): Promise<void> {
    try {
      const reply = (await piscina.run(task.message, { name: task.name })) as Reply<object>
      if (reply.ok) task.resolve(reply)
      else task.reject(errorOf(reply.code, reply.detail, reply.cause))
    } catch (cause) {
      deaths++
      // The thread is gone, perhaps through no fault of this task: once more, on another one.
      if (task.deaths++ === 0) waiting.unshift(task)
      else task.reject(new DeepWatchError('internal_error', 'A computation ended unexpectedly.', { cause }))
    } finally {
      running--
      dispatch()
    }
  }

  function admit({ signal, patient = false }: CallOptions): void {
    signal?.throwIfAborted()
    if (closing) throw new DeepWatchError('shutting_down', 'The service is shutting down.')
    if (!patient && waiting.length >= maxQueue) {
      throw new DeepWatchError('overloaded', 'All threads are busy and the queue is full.')
    }
  }

  /** Queues the tasks of one call; its results in their order. */
  async function runAll<Result>(
    name: Task['name'],
    messages: readonly Task['message'][],
    { signal }: CallOptions,
  ): Promise<Result[]> {
    const tasks: Task[] = []
    const results = messages.map(
      (message) =>
        new Promise<Result>((resolve, reject) => {
          tasks.push({ name, message, resolve: resolve as Task['resolve'], reject, deaths: 0 })
        }),
    )
    const drop = (reason: unknown) => {
      for (const task of tasks) {
        const place = waiting.indexOf(task)
        if (place >= 0) waiting.splice(place, 1)
        task.reject(reason)
      }
    }
    const onAbort = () => drop(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    waiting.push(...tasks)
    dispatch()
    try {
      return await Promise.all(results)
    } catch (error) {
      // What is left of a call that failed is of no use to anyone.
      drop(error)
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async function inspect(block: Block, features: number, options: Parameters<Pool['inspect']>[2] = {}): Promise<Inspection> {
    admit(options)
    const message: InspectTask = { block, features, usableOnly: options.usableOnly ?? false }
    const [inspection] = await runAll<Inspection>('inspect', [message], options)
    return inspection as Inspection
  }

  async function fit(request: FitRequest, options: CallOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    admit(options)
    const { detector: id, effective, seed, samples, varying, features } = request
    const detector = findDetector(id)
    const ranges = cut(detector.pieces(effective), threads * fitTasksPerThread)
    const messages = ranges.map(([from, to]) => ({ detector: id, effective, seed, samples, varying, from, to }))
    const results = await runAll<FitResult>('fit', messages, options)
    const pieces = results.flatMap((result) => result.pieces)
    return detector.join(pieces, effective, features)
  }

  async function score(model: ScoringModel, block: Block, options: CallOptions = {}): Promise<BlockScores> {
    admit(options)
    const { key, detector, payload, fill } = model
    const scores = new Float64Array(new SharedArrayBuffer(8 * block.rows))
    const flags = new Uint8Array(new SharedArrayBuffer(block.rows))
    const messages: ScoreTask[] = []
    for (let from = 0; from < block.rows; from += sliceRows) {
      const to = Math.min(block.rows, from + sliceRows)
      messages.push({ key, detector, payload, fill, block, from, to, scores, flags })
    }
    const results = await runAll<ScoreResult>('score', messages, options)
    return { scores, flags, seconds: results.reduce((sum, result) => sum + result.seconds, 0) }
  }

  async function close(): Promise<void> {
    closing = true
    if (running > 0 || waiting.length > 0) {
      await new Promise<void>((resolve) => {
        idle = resolve
      })
    }
    await piscina.destroy()
  }

  return {
    inspect,
    fit,
    score,
    close,
    get queueSize() {
      return waiting.length
    },
    get utilization() {
      return running / threads
    },
    get saturated() {
      return closing || waiting.length >= maxQueue
    },
    get deaths() {
      return deaths
    },
  }
}

/** Cuts 0..count-1 into at most `parts` ranges [from, to) of nearly equal length. */
function cut(count: number, parts: number): [number, number][] {
  const most = Math.min(count, parts)
  return Array.from({ length: most }, (_, i) => [Math.floor((i * count) / most), Math.floor(((i + 1) * count) / most)])
}

function errorOf(code: string, detail: string, cause: string): DeepWatchError {
  return new DeepWatchError(isErrorCode(code) ? code : 'internal_error', detail, { cause })
}

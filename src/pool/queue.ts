import { DeepWatchError } from '../errors.ts'

export interface CallOptions {
  /** Drops the tasks that still wait, at once; those that run finish and are ignored. The call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Instead of a signal, for a small call: asked before its block leaves, and when it gives a reason the call rejects with it. */
  readonly givenUp?: (() => unknown) | undefined
  /**
   * Wait for a turn instead of being refused when the queue is full: for the later blocks of work that
   * was accepted. Whoever sets it bounds the number of its blocks in flight.
   */
  readonly patient?: boolean | undefined
}

/** What came of one turn of a task, and what is left of it for a later one. */
export interface Turn<Task> {
  readonly result: unknown
  readonly rest: Task | null
}

/** Runs one turn of a task. Rejecting with `TaskLost` asks for one more try. */
export type Runner<Task> = (task: Task) => Promise<Turn<Task>>

/** The thread that ran a task is gone, and nobody knows whether through the task's fault. */
export class TaskLost extends Error {}

export interface PoolQueue<Task> {
  /**
   * Throws when a call must not come in.
   * @throws DeepWatchError `overloaded`, `shutting_down`; the reason of an aborted signal
   */
  admit(options: CallOptions): void
  /** Runs the tasks of one call; resolves with the results of all their turns in order, rejects with the first failure. */
  runAll<Result>(tasks: readonly Task[], options: CallOptions): Promise<Result[]>
  /** Calls none of whose tasks has started. */
  readonly waiting: number
  /** Tasks that run. */
  readonly running: number
  readonly saturated: boolean
  /** Refuses new calls and resolves when the accepted ones are done. */
  close(): Promise<void>
}

interface Entry<Task> {
  /** What is left to do. */
  task: Task
  readonly results: unknown[]
  readonly resolve: (results: unknown[]) => void
  readonly reject: (error: unknown) => void
  lost: boolean
}

/** A call with tasks that wait. */
interface Call<Task> {
  entries: Entry<Task>[]
  readonly isPatient: boolean
  started: boolean
  isOver: boolean
}

/**
 * A bounded queue in front of `slots` threads. Calls take turns, one task each, so that a request of a
 * few rows does not wait for all of a large block or all trees of a forest.
 *
 * @param want is told whether a call that is not patient waits for its first turn, for tasks that can stop in between
 */
export function createPoolQueue<Task>(
  slots: number,
  maxWaiting: number,
  run: Runner<Task>,
  want: (isWanted: boolean) => void,
): PoolQueue<Task> {
  /** The calls that have tasks left, in the order of their turns. */
  let turns: Call<Task>[] = []
  let running = 0
  let closing = false
  let onIdle: (() => void) | undefined

  const countWaiting = () => turns.reduce((count, call) => count + (call.started ? 0 : 1), 0)
  const isFull = () => turns.length >= maxWaiting && countWaiting() >= maxWaiting

  const tell = () => want(turns.some(({ started, isPatient }) => !started && !isPatient))

  function dispatch(): void {
    while (running < slots) {
      const call = turns.shift()
      if (call === undefined) break
      const entry = call.entries.shift() as Entry<Task>
      call.started = true
      if (call.entries.length > 0) turns.push(call)
      running++
      void start(call, entry)
    }
    tell()
    if (running === 0) onIdle?.()
  }

  /** Runs one turn of a task and settles it, or lets it wait for another; never rejects. */
  async function start(call: Call<Task>, entry: Entry<Task>): Promise<void> {
    try {
      const { result, rest } = await run(entry.task)
      entry.results.push(result)
      // What took a thread down is not what was done since.
      entry.lost = false
      if (rest === null) entry.resolve(entry.results)
      else if (!call.isOver) {
        entry.task = rest
        call.entries.push(entry)
        if (!turns.includes(call)) turns.push(call)
      }
    } catch (error) {
      if (error instanceof TaskLost && !entry.lost && !call.isOver) {
        entry.lost = true
        call.entries.unshift(entry)
        turns = [call, ...turns.filter((other) => other !== call)]
      } else {
        entry.reject(error instanceof TaskLost ? lostTwice(error) : error)
      }
    } finally {
      running--
      dispatch()
    }
  }

  function admit({ signal, givenUp, patient = false }: CallOptions): void {
    signal?.throwIfAborted()
    const reason = givenUp?.()
    if (reason !== undefined) throw reason
    if (closing) throw new DeepWatchError('shutting_down', 'The service is shutting down.')
    if (!patient && isFull()) throw new DeepWatchError('overloaded', 'All threads are busy and the queue is full.')
  }

  async function runAll<Result>(
    tasks: readonly Task[],
    { signal, patient: isPatient = false }: CallOptions,
  ): Promise<Result[]> {
    const call: Call<Task> = { entries: [], isPatient, started: false, isOver: false }
    const rejects: Entry<Task>['reject'][] = []
    const results = tasks.map(
      (task) =>
        new Promise<Result[]>((resolve, reject) => {
          call.entries.push({ task, results: [], resolve: resolve as Entry<Task>['resolve'], reject, lost: false })
          rejects.push(reject)
        }),
    )
    const drop = (reason: unknown) => {
      call.isOver = true
      call.entries = []
      turns = turns.filter((other) => other !== call)
      tell()
      for (const reject of rejects) reject(reason)
    }
    const onAbort = () => drop(signal?.reason)
    signal?.addEventListener('abort', onAbort, { once: true })
    if (call.entries.length > 0) turns.push(call)
    dispatch()
    try {
      return (await Promise.all(results)).flat()
    } catch (error) {
      // What is left of a call that failed is of no use to anyone.
      drop(error)
      throw error
    } finally {
      signal?.removeEventListener('abort', onAbort)
    }
  }

  async function close(): Promise<void> {
    closing = true
    if (running === 0) return
    await new Promise<void>((resolve) => {
      onIdle = resolve
    })
  }

  return {
    admit,
    runAll,
    close,
    get waiting() {
      return countWaiting()
    },
    get running() {
      return running
    },
    get saturated() {
      return closing || isFull()
    },
  }
}

function lostTwice(cause: TaskLost): DeepWatchError {
  return new DeepWatchError('internal_error', 'A computation ended unexpectedly.', { cause })
}

import { DeepWatchError } from '../errors.ts'

export interface CallOptions {
  /** Drops the tasks that still wait, at once; those that run finish and are ignored. The call rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined
  /** Instead of a signal, for a small batch: asked before its block leaves, and when it gives a reason the call rejects with it. */
  readonly givenUp?: (() => unknown) | undefined
  /** Wait for a turn instead of being refused: for later blocks of accepted work. Whoever sets it bounds its blocks in flight. */
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

/** A task of a call, or what is left of it. */
interface Entry<Task> {
  task: Task
  /** Of each of its turns. */
  readonly results: unknown[]
  isLost: boolean
}

interface Call<Task> {
  /** Its tasks that wait. */
  waiting: Entry<Task>[]
  unfinished: number
  readonly isPatient: boolean
  isStarted: boolean
  isOver: boolean
  /** Settles the call. */
  readonly succeed: () => void
  readonly fail: (reason: unknown) => void
}

/** A bounded queue in front of the threads. Calls take turns, one task each: a small batch does not wait for all of a large block. */
export class TaskQueue<Task> {
  readonly #threads: number
  readonly #maxWaiting: number
  readonly #run: Runner<Task>
  readonly #want: (isWanted: boolean) => void
  /** The calls with tasks that wait, in the order of their turns. */
  #turns: Call<Task>[] = []
  #running = 0
  #isClosing = false
  #onIdle: (() => void) | undefined

  /**
   * @param threads tasks that run at once
   * @param maxWaiting calls that wait before further ones are refused
   * @param want is told whether a call that is not patient waits for its first turn, for tasks that can stop in between
   */
  constructor(threads: number, maxWaiting: number, run: Runner<Task>, want: (isWanted: boolean) => void) {
    this.#threads = threads
    this.#maxWaiting = maxWaiting
    this.#run = run
    this.#want = want
  }

  /** Calls none of whose tasks has started. */
  get waiting(): number {
    return this.#turns.reduce((count, call) => count + (call.isStarted ? 0 : 1), 0)
  }

  /** Tasks that run. */
  get running(): number {
    return this.#running
  }

  /** Whether a new call would be refused now. */
  get saturated(): boolean {
    return this.#isClosing || this.#isFull()
  }

  /** @throws DeepWatchError `overloaded`, `shutting_down`; the reason of an aborted signal */
  admit({ signal, givenUp, patient = false }: CallOptions): void {
    signal?.throwIfAborted()
    const reason = givenUp?.()
    if (reason !== undefined) throw reason
    if (this.#isClosing) throw new DeepWatchError('shutting_down', 'The service is shutting down.')
    if (!patient && this.#isFull()) throw overloaded()
  }

  /** Runs the tasks of one call; resolves with the results of all their turns in order, rejects with the first failure. */
  runAll<Result>(tasks: readonly Task[], { signal, patient = false }: CallOptions): Promise<Result[]> {
    return new Promise((resolve, reject) => {
      const entries = tasks.map((task): Entry<Task> => ({ task, results: [], isLost: false }))
      const onAbort = () => call.fail(signal?.reason)
      const end = () => {
        call.isOver = true
        signal?.removeEventListener('abort', onAbort)
      }
      const call: Call<Task> = {
        waiting: [...entries],
        unfinished: entries.length,
        isPatient: patient,
        isStarted: false,
        isOver: false,
        succeed: () => {
          end()
          resolve(entries.flatMap(({ results }) => results as Result[]))
        },
        fail: (reason) => {
          end()
          this.#drop(call)
          reject(reason)
        },
      }
      if (entries.length === 0) return call.succeed()
      signal?.addEventListener('abort', onAbort, { once: true })
      this.#turns.push(call)
      this.#dispatch()
    })
  }

  /** Runs one task, as `runAll`. */
  async runOne<Result>(task: Task, options: CallOptions): Promise<Result> {
    const [result] = await this.runAll<Result>([task], options)
    return result as Result
  }

  /** Refuses new calls and resolves when the accepted ones are done. */
  async close(): Promise<void> {
    this.#isClosing = true
    if (this.#running === 0) return
    await new Promise<void>((resolve) => {
      this.#onIdle = resolve
    })
  }

  #isFull(): boolean {
    return this.#turns.length >= this.#maxWaiting && this.waiting >= this.#maxWaiting
  }

  #dispatch(): void {
    while (this.#running < this.#threads) {
      const call = this.#turns.shift()
      if (call === undefined) break
      const entry = call.waiting.shift()!
      call.isStarted = true
      if (call.waiting.length > 0) this.#turns.push(call)
      this.#running++
      void this.#start(call, entry)
    }
    this.#tellWanted()
    if (this.#running === 0) this.#onIdle?.()
  }

  /** Runs one turn of a task; never rejects. */
  async #start(call: Call<Task>, entry: Entry<Task>): Promise<void> {
    try {
      const turn = await this.#run(entry.task)
      if (!call.isOver) this.#finishTurn(call, entry, turn)
    } catch (error) {
      if (!call.isOver) this.#failTurn(call, entry, error)
    } finally {
      this.#running--
      this.#dispatch()
    }
  }

  #finishTurn(call: Call<Task>, entry: Entry<Task>, { result, rest }: Turn<Task>): void {
    entry.results.push(result)
    // What took a thread down is not what was done since.
    entry.isLost = false
    if (rest !== null) {
      entry.task = rest
      call.waiting.push(entry)
      if (!this.#turns.includes(call)) this.#turns.push(call)
    } else if (--call.unfinished === 0) call.succeed()
  }

  #failTurn(call: Call<Task>, entry: Entry<Task>, error: unknown): void {
    if (!(error instanceof TaskLost)) call.fail(error)
    else if (entry.isLost)
      call.fail(new DeepWatchError('internal_error', 'A computation ended unexpectedly.', { cause: error }))
    else {
      entry.isLost = true
      this.#drop(call)
      call.waiting.unshift(entry)
      this.#turns.unshift(call)
    }
  }

  /** Gives a call no turn any more. */
  #drop(call: Call<Task>): void {
    this.#turns = this.#turns.filter((other) => other !== call)
    this.#tellWanted()
  }

  #tellWanted(): void {
    this.#want(this.#turns.some(({ isStarted, isPatient }) => !isStarted && !isPatient))
  }
}

export function overloaded(): DeepWatchError {
  return new DeepWatchError('overloaded', 'All threads are busy and the queue is full.')
}

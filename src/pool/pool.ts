import type { Inspection, Pauses, ResultOf, ScoreResult } from '../../workers/messages.ts'
import { type Block, shareBytes } from '../kernels/index.ts'
import type { Labelled, Ranking } from '../kernels/scores/index.ts'
import { programs } from '../places.ts'
import { createSharedBatches, type SharedBatches } from './batch.ts'
import { createEntityScoring, type ScoreEntities } from './entities.ts'
import { type FitEntitiesRequest, type FitRequest, fitEntityModels, fitModel } from './fitting.ts'
import { type CallOptions, overloaded, TaskQueue } from './queue.ts'
import { createScoreRooms, type ScoresInto } from './rooms.ts'
import { createSmallBatchScoring } from './small-batch.ts'
import { cutSlices, runTask, sliceRows, sumSeconds, type Task, turnMilliseconds } from './tasks.ts'
import { startThreads, type Threads } from './threads.ts'
import type { BlockScores, ScoringModel } from './types.ts'

/** Rooms for scores that are kept: some blocks of a source are under way at once, and a row's room has nine bytes: half a MiB, with entities two. */
const maxScoreRooms = 8

/** The threads behind a bounded queue. Every method may reject with `overloaded`, `shutting_down`, `internal_error` and what it names. */
export class Pool {
  readonly #size: number
  readonly #threads: Threads
  readonly #maxQueue: number
  readonly #queue: TaskQueue<Task>
  readonly #batches: SharedBatches
  readonly #scoreEntities: ScoreEntities
  readonly #takeScoreRoom = createScoreRooms(maxScoreRooms)
  /** Not 0 while a call waits for a thread. */
  readonly #wanted = new Int32Array(shareBytes(4))

  /** Starts `threads` threads, >= 1; `maxQueue` calls, >= 1, may wait before further ones are refused. */
  constructor({ threads, maxQueue }: { readonly threads: number; readonly maxQueue: number }) {
    this.#size = threads
    this.#maxQueue = maxQueue
    // Tasks go to piscina only when a thread is free. The queue is ours: piscina's knows no turns, and cannot drop a task that
    // waits without the risk of ending a thread that has taken it.
    const limits = { minThreads: threads, maxThreads: threads, maxQueue: 2 * threads }
    this.#threads = startThreads(programs.detect, { ...limits, idleTimeout: Number.POSITIVE_INFINITY })
    const run = (task: Task) => runTask(this.#threads, task)
    this.#queue = new TaskQueue<Task>(threads, maxQueue, run, (isWanted) => {
      Atomics.store(this.#wanted, 0, isWanted ? 1 : 0)
    })
    const prepare = ({ detector, payload }: ScoringModel) =>
      this.#queue
        .runOne<ResultOf<'prepareSmallBatch'>>({ name: 'prepareSmallBatch', message: { detector, payload } }, {})
        .then(({ prepared }) => prepared)
    this.#batches = createSharedBatches(threads, this.#scoreBlock, createSmallBatchScoring(prepare))
    this.#scoreEntities = createEntityScoring(threads, this.#queue)
  }

  /** Profile and unusable rows of one block, over its first `features` columns; with `usableOnly` the profile is over usable rows. */
  async inspect(
    block: Block,
    features: number,
    { usableOnly = false, ...options }: CallOptions & { readonly usableOnly?: boolean } = {},
  ): Promise<Inspection> {
    this.#queue.admit(options)
    return this.#queue.runOne({ name: 'inspect', message: { block, features, usableOnly } }, options)
  }

  /** The payload of a model: the same bytes for any number of threads. */
  async fit(request: FitRequest, options: CallOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    this.#queue.admit(options)
    return fitModel(this.#queue, this.#size, request, this.#pausesAfter(1), options)
  }

  /** The model of each entity, null where nothing varies; the same bytes for any number of threads. @throws `training_too_large` */
  async fitEntities(
    request: FitEntitiesRequest,
    options: CallOptions = {},
  ): Promise<(Uint8Array<ArrayBuffer> | null)[]> {
    this.#queue.admit(options)
    return fitEntityModels(this.#queue, request, options)
  }

  /**
   * Scores every row of a block. Small blocks share a task with others that come at the same time.
   * Not `async`: a lone row takes two microseconds, of which a promise more is a part.
   * @throws `model_corrupt`
   */
  score(model: ScoringModel, block: Block<ArrayBufferLike>, options: CallOptions = {}): Promise<BlockScores> {
    try {
      this.#queue.admit(options)
      if (!options.patient && this.#batches.waiting >= this.#maxQueue) throw overloaded()
      return this.#batches.takes(block)
        ? this.#batches.score(model, block, options)
        : this.#scoreAlone(model, block, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** Ranks scores against labels. The arrays lie in shared memory; those of the anomalies are sorted. */
  async rank(message: Labelled, options: CallOptions = {}): Promise<Ranking> {
    this.#queue.admit(options)
    return (await this.#queue.runOne<ResultOf<'rank'>>({ name: 'rank', message }, options)).ranking
  }

  /** Calls that wait for their first turn on a thread. */
  get queueSize(): number {
    return this.#queue.waiting + this.#batches.waiting
  }

  /** Share of the threads that work at this moment, 0..1. */
  get utilization(): number {
    return this.#queue.running / this.#size
  }

  /** Whether a new call would be refused now. */
  get saturated(): boolean {
    return this.#queue.saturated || this.#batches.waiting >= this.#maxQueue
  }

  /** Threads that died since the start. */
  get deaths(): number {
    return this.#threads.deaths
  }

  /** Refuses new calls, finishes the accepted ones and ends the threads. */
  async close(): Promise<void> {
    this.#batches.flush()
    await this.#queue.close()
    await this.#threads.close()
  }

  async #scoreAlone(model: ScoringModel, block: Block<ArrayBufferLike>, options: CallOptions): Promise<BlockScores> {
    // After a failure a thread may still write there: such a room is not given back.
    const room = this.#takeScoreRoom(block.rows)
    const seconds = await this.#scoreBlock(model, inSharedMemory(block), room, options)
    return { scores: room.scores, flags: room.flags, seconds, release: room.giveBack }
  }

  readonly #scoreBlock = async (
    model: ScoringModel,
    block: Block,
    { scores, flags }: ScoresInto,
    options: CallOptions,
  ): Promise<number> => {
    const { key, detector, payload, fill, guards = null } = model
    const message = { key, detector, payload, fill, guards, block, scores, flags }
    if (model.entities !== undefined) return this.#scoreEntities(message, model, options)
    const tasks = cutSlices(message, this.#size, this.#pausesAfter(sliceRows))
    return sumSeconds(await this.#queue.runAll<ScoreResult>(tasks, options))
  }

  #pausesAfter(step: number): Pauses {
    return { step, milliseconds: turnMilliseconds, wanted: this.#wanted }
  }
}

/** The block itself where threads can read it, otherwise a copy. */
function inSharedMemory(block: Block<ArrayBufferLike>): Block {
  if (block.values.buffer instanceof SharedArrayBuffer) return block as Block
  const values = new Float64Array(shareBytes(block.values.byteLength))
  values.set(block.values)
  return { ...block, values }
}

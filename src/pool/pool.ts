import type { Piscina } from 'piscina'
import type {
  FitEntitiesResult,
  FitResult,
  Inspection,
  InspectTask,
  JoinResult,
  Pauses,
  PrepareForFewResult,
  RankResult,
  Reply,
  ScoreResult,
} from '../../workers/messages.ts'
import { type DetectorParams, type EffectiveSettings, findDetector, type PreparedForFew } from '../detectors/index.ts'
import { DeepWatchError, isErrorCode } from '../errors.ts'
import { type Block, shareBytes } from '../kernels/index.ts'
import type { Sample, SampleSet } from '../kernels/sampling/index.ts'
import type { Labelled, Ranking } from '../kernels/scores/index.ts'
import { createScoreRooms } from './arena.ts'
import { createPoolBatch, type ScoresInto } from './batch.ts'
import { createEntityScoring } from './entities.ts'
import { type CallOptions, createPoolQueue, TaskLost, type Turn } from './queue.ts'
import { createFewScoring } from './small-batch.ts'
import { cutEvenly, restOf, type ScoreMessage, sliceRows, sumSeconds, type Task, turnMilliseconds } from './tasks.ts'
import { startThreads } from './threads.ts'
import type { BlockScores, ScoringModel } from './types.ts'

interface FitRequest {
  readonly detector: string
  /** From the detector's `resolve`. */
  readonly effective: EffectiveSettings
  readonly seed: number
  /** One sample per piece, or one for all; every value finite. */
  readonly samples: SampleSet
  /** Features that are not constant, ascending. */
  readonly varying: readonly number[]
  /** Standard deviation of each feature over all training rows. */
  readonly deviations: Float64Array
}

interface FitEntitiesRequest {
  readonly detector: string
  readonly params: DetectorParams
  /** As in `TrainingShape`. */
  readonly measured: number | undefined
  readonly seed: number
  /** One sample per entity; every value finite. */
  readonly samples: readonly (Sample & { readonly values: Float64Array<SharedArrayBuffer> })[]
  /** Bytes that all models together may take. */
  readonly mostBytes: number
}

/** The threads of the service, behind a bounded queue. Every method rejects with a `DeepWatchError`. */
export interface Pool {
  /**
   * Profile and unusable rows of one block, over its first `features` lanes. With `usableOnly` the profile
   * is over the usable rows.
   * @throws `overloaded`, `shutting_down`, `internal_error`
   */
  inspect(
    block: Block,
    features: number,
    options?: CallOptions & { readonly usableOnly?: boolean },
  ): Promise<Inspection>
  /**
   * The payload of a model: the same bytes for any number of threads.
   * @throws `overloaded`, `shutting_down`, `internal_error`
   */
  fit(request: FitRequest, options?: CallOptions): Promise<Uint8Array<ArrayBuffer>>
  /**
   * The model of each entity, the same bytes for any number of threads; null where nothing varies in its sample.
   * @throws `training_too_large`, `overloaded`, `shutting_down`, `internal_error`
   */
  fitEntities(request: FitEntitiesRequest, options?: CallOptions): Promise<(Uint8Array<ArrayBuffer> | null)[]>
  /**
   * Scores every row of a block. Small blocks share a task with others that come at the same time.
   * @throws `overloaded`, `shutting_down`, `model_corrupt`, `internal_error`
   */
  score(model: ScoringModel, block: Block<ArrayBufferLike>, options?: CallOptions): Promise<BlockScores>
  /**
   * Ranks scores against labels, on one thread: millions would keep everybody waiting. The arrays lie in shared memory; those of
   * the anomalies are sorted.
   * @throws `overloaded`, `shutting_down`, `internal_error`
   */
  rank(labelled: Labelled, options?: CallOptions): Promise<Ranking>
  /** Calls that wait for their first turn on a thread. */
  readonly queueSize: number
  /** Share of the threads that work at this moment, 0..1. */
  readonly utilization: number
  /** Whether a new call would be refused now. */
  readonly saturated: boolean
  /** Threads that died since the start. */
  readonly deaths: number
  /** Refuses new calls, finishes the accepted ones and ends the threads. */
  close(): Promise<void>
}

export interface PoolOptions {
  /** Threads; >= 1. */
  readonly threads: number
  /** Calls that may wait before further ones are refused; >= 1. */
  readonly maxQueue: number
}

/** Rows that the pieces of one task learn from, at least: a millisecond of work or more, beside which its message counts little. */
const leastTaskRows = 4_096
/** Entities that one task fits models for: some tens of milliseconds. */
const entitiesOfTask = 4
/** Tasks of a round of them at most. */
const entityTasks = 64
/** Rooms for scores that are kept: some blocks of a source are under way at once, and a row's room has nine bytes: half a MiB, with entities two. */
const mostScoreRooms = 8

/** Starts the threads. */
export function createPool({ threads, maxQueue }: PoolOptions): Pool {
  let deaths = 0
  let closed = false
  let piscina = start()
  const wanted = new Int32Array(shareBytes(4))
  const pausesAfter = (step: number): Pauses => ({ step, milliseconds: turnMilliseconds, wanted })
  const queue = createPoolQueue<Task>(threads, maxQueue, run, (isWanted) => {
    Atomics.store(wanted, 0, isWanted ? 1 : 0)
  })
  const batch = createPoolBatch(threads, scoreBlock, createFewScoring(prepareForFew))
  const scoreEntities = createEntityScoring(threads, queue)
  const takeScoreRoom = createScoreRooms(mostScoreRooms)

  function start(): Piscina {
    const started = startThreads(threads)
    // Emitted when an idle thread dies; unheard, it would end the process.
    started.on('error', () => undefined)
    started.on('workerDestroy', () => {
      if (closed) return
      deaths++
      // A thread that dies while it starts is not replaced by piscina, and a task that waits for it
      // would wait for ever. With no thread left, a new set takes over; the tasks come back as lost.
      setImmediate(() => {
        if (closed || started !== piscina || started.threads.length > 0) return
        piscina = start()
        void started.destroy()
      })
    })
    return started
  }

  async function run(task: Task): Promise<Turn<Task>> {
    let reply: Reply<object>
    try {
      reply = (await piscina.run(task.message, { name: task.name })) as Reply<object>
    } catch (cause) {
      throw new TaskLost('a thread died', { cause })
    }
    if (reply.ok) return { result: reply, rest: restOf(task, reply) }
    const code = isErrorCode(reply.code) ? reply.code : 'internal_error'
    throw new DeepWatchError(code, reply.detail, { cause: reply.cause })
  }

  async function inspect(
    block: Block,
    features: number,
    options: Parameters<Pool['inspect']>[2] = {},
  ): Promise<Inspection> {
    queue.admit(options)
    const message: InspectTask = { block, features, usableOnly: options.usableOnly ?? false }
    const [inspection] = await queue.runAll<Inspection>([{ name: 'inspect', message }], options)
    return inspection as Inspection
  }

  async function fit(request: FitRequest, options: CallOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    queue.admit(options)
    const { detector: id, effective, seed, samples, varying, deviations } = request
    const detector = findDetector(id)
    const pieces = detector.pieces(effective)
    const parts = Math.min(threads, Math.ceil((pieces * samples.filled) / leastTaskRows))
    const tasks = cutEvenly(pieces, parts).map(([from, to]): Task => {
      const message = { detector: id, effective, seed, samples, varying, deviations, from, to, pauses: pausesAfter(1) }
      return { name: 'fit', message }
    })
    const results = await queue.runAll<FitResult>(tasks, options)
    const [first] = results as [FitResult]
    if (first.payload !== null) return first.payload
    const fitted = results.flatMap((result) => result.pieces)
    const message = { detector: id, pieces: fitted, effective, seed, features: samples.lanes, samples }
    const [joined] = await queue.runAll<JoinResult>([{ name: 'join', message }], options)
    return (joined as JoinResult).payload
  }

  async function fitEntities(
    { samples, mostBytes, ...request }: FitEntitiesRequest,
    options: CallOptions = {},
  ): Promise<(Uint8Array<ArrayBuffer> | null)[]> {
    queue.admit(options)
    const models: (Uint8Array<ArrayBuffer> | null)[] = []
    let bytes = 0
    // In rounds, so that what is too large is found out before it is there.
    const round = entitiesOfTask * entityTasks
    for (let first = 0; first < samples.length; first += round) {
      const tasks: Task[] = []
      for (let from = first; from < Math.min(first + round, samples.length); from += entitiesOfTask)
        tasks.push({
          name: 'fitEntities',
          message: { ...request, samples: samples.slice(from, Math.min(from + entitiesOfTask, first + round)) },
        })
      for (const result of await queue.runAll<FitEntitiesResult>(tasks, { ...options, patient: true }))
        for (const model of result.models) {
          bytes += model?.byteLength ?? 0
          models.push(model)
        }
      if (bytes > mostBytes) refuseModels(models.length, samples.length, bytes, mostBytes)
    }
    return models
  }

  // Not `async`: a lone row takes two microseconds, of which a promise more is a part.
  function score(model: ScoringModel, block: Block<ArrayBufferLike>, options: CallOptions = {}): Promise<BlockScores> {
    try {
      admitScore(options)
      return batch.takes(block) ? batch.score(model, block, options) : scoreAlone(model, block, options)
    } catch (error) {
      return Promise.reject(error)
    }
  }

  async function scoreAlone(
    model: ScoringModel,
    block: Block<ArrayBufferLike>,
    options: CallOptions,
  ): Promise<BlockScores> {
    // After a failure a thread may still write there: such a room is not given back.
    const room = takeScoreRoom(block.rows)
    const seconds = await scoreBlock(model, inSharedMemory(block), room, options)
    return { scores: room.scores, flags: room.flags, seconds, release: room.giveBack }
  }

  function admitScore(options: CallOptions): void {
    queue.admit(options)
    if (!options.patient && batch.waiting >= maxQueue)
      throw new DeepWatchError('overloaded', 'All threads are busy and the queue is full.')
  }

  async function scoreBlock(
    model: ScoringModel,
    block: Block,
    { scores, flags }: ScoresInto,
    options: CallOptions,
  ): Promise<number> {
    const { key, detector, payload, fill, guards = null } = model
    const message = { key, detector, payload, fill, guards, block, scores, flags }
    if (model.entities !== undefined) return scoreEntities(message, model, options)
    return sumSeconds(await queue.runAll<ScoreResult>(shares(message), options))
  }

  /** As many tasks as there are threads, of whole slices each. */
  function shares(message: ScoreMessage): Task[] {
    const { rows } = message.block
    const slices = Math.ceil(rows / sliceRows)
    return cutEvenly(slices, threads).map(([from, to]) => ({
      name: 'score',
      message: {
        ...message,
        ...{ from: from * sliceRows, to: Math.min(rows, to * sliceRows) },
        pauses: slices === 1 ? null : pausesAfter(sliceRows),
      },
    }))
  }

  async function prepareForFew({ detector, payload }: ScoringModel): Promise<PreparedForFew | null> {
    const [result] = await queue.runAll<PrepareForFewResult>(
      [{ name: 'prepareForFew', message: { detector, payload } }],
      {},
    )
    return (result as PrepareForFewResult).prepared
  }

  async function rank(message: Labelled, options: CallOptions = {}): Promise<Ranking> {
    queue.admit(options)
    const [result] = await queue.runAll<RankResult>([{ name: 'rank', message }], options)
    return (result as RankResult).ranking
  }

  async function close(): Promise<void> {
    batch.flush()
    await queue.close()
    closed = true
    await piscina.destroy()
  }

  return {
    inspect,
    fit,
    fitEntities,
    score,
    rank,
    close,
    get queueSize() {
      return queue.waiting + batch.waiting
    },
    get utilization() {
      return queue.running / threads
    },
    get saturated() {
      return queue.saturated || batch.waiting >= maxQueue
    },
    get deaths() {
      return deaths
    },
  }
}

function refuseModels(done: number, all: number, bytes: number, mostBytes: number): never {
  const needed = Math.ceil((bytes / done) * all)
  throw new DeepWatchError(
    'training_too_large',
    `The models of ${all} entities would take some ${Math.ceil(needed / 2 ** 20)} MiB, ${Math.ceil(needed / all / 1024)} KiB each; the limit is ${Math.floor(mostBytes / 2 ** 20)} MiB. Fewer trees, a smaller sampleSize or fewer entities need less.`,
    { facts: { bytes: needed, limit: mostBytes, entities: all } },
  )
}

/** The block itself where threads can read it, otherwise a copy. */
function inSharedMemory(block: Block<ArrayBufferLike>): Block {
  if (block.values.buffer instanceof SharedArrayBuffer) return block as Block
  const values = new Float64Array(shareBytes(block.values.byteLength))
  values.set(block.values)
  return { ...block, values }
}

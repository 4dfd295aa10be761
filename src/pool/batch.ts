/**
 * Small batches share a task: what arrives within one turn of the event loop, or while a block of the same model is under
 * way, goes to a thread as one block, so that a hundred requests of some rows do not cost a hundred messages. A lone
 * call waits for nobody: it leaves at the end of the turn in which it came. A row's score does not depend on its company.
 *
 * What takes less time than a message is scored on the main thread (`small-batch.ts`), and a call that comes alone turn after turn
 * is answered at once. Calls that come together are not: taking in sixteen requests and then answering sixteen is faster than to
 * alternate, as the code of either stays in the cache.
 */
import type { Block } from '../kernels/index.ts'
import type { CallOptions } from './queue.ts'
import { createRooms, createScoreRooms, type ScoresInto } from './rooms.ts'
import type { SmallBatchScoring } from './small-batch.ts'
import type { BlockScores, ScoringModel } from './types.ts'

/** Calls of more rows gain nothing from company: scoring them takes far longer than a message. */
const maxRowsOfCall = 512
/** Rows of a shared block: a few milliseconds of one thread. */
const maxRowsOfBatch = 4096
/** From so many rows on a block goes to another thread while one of its model is under way: fewer are done before that wakes up. */
const rowsWorthAThread = 256
/** A shared block of more rows goes to a thread whatever the model: the message takes the main thread less time than the rows. */
const maxRowsHere = 32

/** Larger rooms for the values of a shared block are not kept. */
const maxRoomBytes = 4 * 1024 * 1024

/** Scores a block on the threads, without asking for admission; gives the seconds that took them. */
export type ScoreBlock = (model: ScoringModel, block: Block, into: ScoresInto, options: CallOptions) => Promise<number>

/** A call that waits for its block to leave. */
interface Call {
  readonly block: Block<ArrayBufferLike>
  readonly options: CallOptions
  readonly resolve: (scores: BlockScores) => void
  readonly reject: (error: unknown) => void
}

/** Calls for one model that will leave as one block. */
interface Batch {
  readonly model: ScoringModel
  readonly calls: Call[]
  rows: number
}

export type SharedBatches = ReturnType<typeof createSharedBatches>

/**
 * Puts small calls together.
 * @param threads shared blocks that are under way at once, beside those that `here` scores itself
 */
export function createSharedBatches(threads: number, scoreBlock: ScoreBlock, here: SmallBatchScoring) {
  const scoreTogether = createScoringTogether(threads, scoreBlock, here)
  const open: Batch[] = []
  /** The models of the blocks under way. */
  const underWay: string[] = []
  let waiting = 0
  let isScheduled = false
  /** Calls that came in this turn of the event loop, and whether the last turn with calls had one. */
  let callsOfTurn = 0
  let isQuiet = false

  /** Whether a call comes alone, as the one before did. */
  function comesAlone(): boolean {
    if (callsOfTurn++ > 0) return false
    setImmediate(endTurn)
    return isQuiet && waiting === 0 && underWay.length === 0
  }

  function endTurn(): void {
    isQuiet = callsOfTurn === 1
    callsOfTurn = 0
  }

  function scoreAtOnce(model: ScoringModel, block: Block<ArrayBufferLike>): BlockScores {
    const scores = new Float64Array(block.rows)
    const flags = new Uint8Array(block.rows)
    return { scores, flags, seconds: here.score(model, block, { scores, flags }) }
  }

  function batchFor(model: ScoringModel, rows: number): Batch {
    const found = open.find((other) => other.model.key === model.key && other.rows + rows <= maxRowsOfBatch)
    if (found) return found
    const batch = { model, calls: [], rows: 0 }
    open.push(batch)
    return batch
  }

  function mayLeave({ model, rows }: Batch): boolean {
    if (isForHere(here, model, rows)) return true
    const isWorthAThread = rows >= rowsWorthAThread || !underWay.includes(model.key)
    return underWay.length < threads && isWorthAThread
  }

  function leaveSoon(): void {
    if (isScheduled || !open.some(mayLeave)) return
    isScheduled = true
    setImmediate(leave)
  }

  function leave(): void {
    isScheduled = false
    for (let index = open.findIndex(mayLeave); index !== -1; index = open.findIndex(mayLeave))
      void send(open.splice(index, 1)[0]!)
  }

  async function send({ model, calls }: Batch): Promise<void> {
    waiting -= calls.length
    underWay.push(model.key)
    try {
      await scoreTogether(model, dropGivenUp(calls))
    } finally {
      underWay.splice(underWay.indexOf(model.key), 1)
      leaveSoon()
    }
  }

  return {
    /** Calls whose block has not left. */
    get waiting(): number {
      return waiting
    },
    /** Whether a call is small enough to be scored in company. */
    takes: ({ rows }: Block<ArrayBufferLike>): boolean => rows > 0 && rows <= maxRowsOfCall,
    /** Scores a block, which may lie in any memory, together with others of the same model. An aborted call rejects with its signal's reason. */
    score(model: ScoringModel, block: Block<ArrayBufferLike>, options: CallOptions): Promise<BlockScores> {
      here.count(model, block.rows)
      if (comesAlone() && here.takes(model, block.rows)) return Promise.resolve(scoreAtOnce(model, block))
      return new Promise((resolve, reject) => {
        const batch = batchFor(model, block.rows)
        batch.calls.push({ block, options, resolve, reject })
        batch.rows += block.rows
        waiting++
        leaveSoon()
      })
    },
    /** Hands everything that waits to the threads, before it returns. */
    flush(): void {
      for (const batch of open.splice(0)) void send(batch)
    },
  }
}

const isForHere = (here: SmallBatchScoring, model: ScoringModel, rows: number) =>
  rows <= maxRowsHere && here.takes(model, rows)

/** Scores calls of one model as one block; never rejects. */
function createScoringTogether(threads: number, scoreBlock: ScoreBlock, here: SmallBatchScoring) {
  const rooms = createRooms(threads, maxRoomBytes)
  const takeScoreRoom = createScoreRooms(threads)

  return async function scoreCalls(model: ScoringModel, calls: readonly Call[]): Promise<void> {
    if (calls.length === 0) return
    const columns = model.features + (model.entities === undefined ? 0 : 1)
    const rows = calls.reduce((sum, { block }) => sum + block.rows, 0)
    // With room to grow into.
    const values = rooms.take(2 ** Math.ceil(Math.log2(rows * columns)))
    const into = takeScoreRoom(rows)
    try {
      const block = { values, stride: rows, rows, columns }
      joinBlocks(calls, block)
      const seconds = isForHere(here, model, rows)
        ? here.score(model, block, into)
        : await scoreBlock(model, block, into, {})
      handOut(calls, seconds, into)
    } catch (error) {
      if (calls.length === 1) calls[0]!.reject(error)
      // Nobody fails for what came with somebody else.
      else for (const call of calls) await scoreCalls(model, [call])
    } finally {
      rooms.giveBack(values)
      into.giveBack()
    }
  }
}

function dropGivenUp(calls: readonly Call[]): readonly Call[] {
  return calls.filter(({ options: { givenUp, signal }, reject }) => {
    const reason = givenUp ? givenUp() : signal?.reason
    if (reason !== undefined) reject(reason)
    return reason === undefined
  })
}

/** Puts the features of all calls, in order, into one block. */
function joinBlocks(calls: readonly Call[], joined: Block): void {
  let start = 0
  for (const { block } of calls) {
    for (let column = 0; column < joined.columns; column++) {
      const from = column * block.stride
      const to = column * joined.stride + start
      // A small batch is copied sooner than a view of it is made.
      for (let row = 0; row < block.rows; row++) joined.values[to + row] = block.values[from + row]!
    }
    start += block.rows
  }
}

/** Each call gets its part of a copy of the scores, and its share of the time. */
function handOut(calls: readonly Call[], seconds: number, into: ScoresInto): void {
  const scores = new Float64Array(into.scores)
  const flags = new Uint8Array(into.flags)
  let start = 0
  for (const { block, resolve } of calls) {
    const end = start + block.rows
    const own = { scores: scores.subarray(start, end), flags: flags.subarray(start, end) }
    resolve({ ...own, seconds: (seconds * block.rows) / scores.length })
    start = end
  }
}

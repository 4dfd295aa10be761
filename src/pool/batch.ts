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
import { type Arena, createArenas } from './arena.ts'
import type { CallOptions } from './queue.ts'
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

/** Where threads write the scores of a block: one score and one mark per row, marks being 0 before. */
export interface ScoresInto {
  readonly scores: Float64Array<SharedArrayBuffer>
  readonly flags: Uint8Array<SharedArrayBuffer>
}

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

/** Puts small calls together. */
export class SharedBatches {
  readonly #threads: number
  readonly #scoreBlock: ScoreBlock
  readonly #here: SmallBatchScoring
  readonly #arenas: ReturnType<typeof createArenas>
  #open: Batch[] = []
  /** The models of the blocks under way. */
  readonly #underWay: string[] = []
  #waiting = 0
  #isScheduled = false
  /** Calls that came in this turn of the event loop, and whether the last turn with calls had one. */
  #callsOfTurn = 0
  #isQuiet = false

  /** @param threads shared blocks that are under way at once, beside those that `here` scores itself */
  constructor(threads: number, scoreBlock: ScoreBlock, here: SmallBatchScoring) {
    this.#threads = threads
    this.#scoreBlock = scoreBlock
    this.#here = here
    this.#arenas = createArenas(threads)
  }

  /** Calls whose block has not left. */
  get waiting(): number {
    return this.#waiting
  }

  /** Whether a call is small enough to be scored in company. */
  takes({ rows }: Block<ArrayBufferLike>): boolean {
    return rows > 0 && rows <= maxRowsOfCall
  }

  /** Scores a block, which may lie in any memory, together with others of the same model. An aborted call rejects with its signal's reason. */
  score(model: ScoringModel, block: Block<ArrayBufferLike>, options: CallOptions): Promise<BlockScores> {
    this.#here.count(model, block.rows)
    if (this.#comesAlone() && this.#here.takes(model, block.rows))
      return Promise.resolve(this.#scoreAtOnce(model, block))
    return new Promise((resolve, reject) => {
      const batch = this.#batchFor(model, block.rows)
      batch.calls.push({ block, options, resolve, reject })
      batch.rows += block.rows
      this.#waiting++
      this.#leaveSoon()
    })
  }

  /** Hands everything that waits to the threads, before it returns. */
  flush(): void {
    const left = this.#open
    this.#open = []
    for (const batch of left) void this.#send(batch)
  }

  /** Whether a call comes alone, as the one before did. */
  #comesAlone(): boolean {
    if (this.#callsOfTurn++ > 0) return false
    setImmediate(this.#endTurn)
    return this.#isQuiet && this.#waiting === 0 && this.#underWay.length === 0
  }

  readonly #endTurn = () => {
    this.#isQuiet = this.#callsOfTurn === 1
    this.#callsOfTurn = 0
  }

  #scoreAtOnce(model: ScoringModel, block: Block<ArrayBufferLike>): BlockScores {
    const scores = new Float64Array(block.rows)
    const flags = new Uint8Array(block.rows)
    return { scores, flags, seconds: this.#here.score(model, block, { scores, flags }) }
  }

  #batchFor(model: ScoringModel, rows: number): Batch {
    const open = this.#open.find((other) => other.model.key === model.key && other.rows + rows <= maxRowsOfBatch)
    if (open) return open
    const batch = { model, calls: [], rows: 0 }
    this.#open.push(batch)
    return batch
  }

  #isForHere(model: ScoringModel, rows: number): boolean {
    return rows <= maxRowsHere && this.#here.takes(model, rows)
  }

  readonly #mayLeave = ({ model, rows }: Batch): boolean => {
    if (this.#isForHere(model, rows)) return true
    const isWorthAThread = rows >= rowsWorthAThread || !this.#underWay.includes(model.key)
    return this.#underWay.length < this.#threads && isWorthAThread
  }

  #leaveSoon(): void {
    if (this.#isScheduled || !this.#open.some(this.#mayLeave)) return
    this.#isScheduled = true
    setImmediate(this.#leave)
  }

  readonly #leave = () => {
    this.#isScheduled = false
    for (;;) {
      const index = this.#open.findIndex(this.#mayLeave)
      if (index === -1) return
      const [batch] = this.#open.splice(index, 1)
      void this.#send(batch!)
    }
  }

  async #send({ model, calls }: Batch): Promise<void> {
    this.#waiting -= calls.length
    this.#underWay.push(model.key)
    try {
      await this.#scoreCalls(model, dropGivenUp(calls))
    } finally {
      this.#underWay.splice(this.#underWay.indexOf(model.key), 1)
      this.#leaveSoon()
    }
  }

  async #scoreCalls(model: ScoringModel, calls: readonly Call[]): Promise<void> {
    if (calls.length === 0) return
    const arena = this.#arenas.take()
    try {
      const block = joinBlocks(arena, calls, model.features + (model.entities === undefined ? 0 : 1))
      const { scores, flags } = arena
      const into = { scores, flags }
      const seconds = this.#isForHere(model, block.rows)
        ? this.#here.score(model, block, into)
        : await this.#scoreBlock(model, block, into, {})
      handOut(calls, seconds, into)
    } catch (error) {
      if (calls.length === 1) calls[0]!.reject(error)
      // Nobody fails for what came with somebody else.
      else for (const call of calls) await this.#scoreCalls(model, [call])
    } finally {
      this.#arenas.giveBack(arena)
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

/** One block with the features of all calls, in order. */
function joinBlocks(arena: Arena, calls: readonly Call[], columns: number): Block {
  const rows = calls.reduce((sum, { block }) => sum + block.rows, 0)
  const joined = arena.block(rows, columns)
  let start = 0
  for (const { block } of calls) {
    for (let column = 0; column < columns; column++) {
      const from = column * block.stride
      const to = column * rows + start
      // A small batch is copied sooner than a view of it is made.
      for (let row = 0; row < block.rows; row++) joined.values[to + row] = block.values[from + row]!
    }
    start += block.rows
  }
  return joined
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

/**
 * Small calls share a task: what arrives within one turn of the event loop, or while a block of the same model is under
 * way, goes to a thread as one block, so that a hundred requests of a few rows do not cost a hundred messages. A lone
 * call waits for nobody: it leaves at the end of the turn in which it came. A row's score does not depend on its company.
 *
 * What takes less time than a message is not sent to a thread at all (`src/pool-few`), and who comes alone turn after turn is
 * answered at once. Who comes in company is not: to take in sixteen requests and then answer sixteen keeps the code of either in the
 * cache, where each from door to door took a third more time.
 */
import type { Block } from '../kernels/index.ts'
import { type Arena, createArenas } from './arena.ts'
import type { CallOptions } from './queue.ts'
import type { FewScoring } from './small-batch.ts'
import type { BlockScores, ScoringModel } from './types.ts'

/** Calls of more rows gain nothing from company: scoring them takes far longer than a message. */
const mostRowsOfCall = 512
/** Rows of a shared block: a few milliseconds of one thread. */
const mostRowsOfBatch = 4096
/** From so many rows on a block goes to another thread while one of its model is under way: fewer are done before that wakes up. */
const rowsWorthAThread = 256

/** A shared block of more rows goes to a thread whatever the model: the message takes the main thread less time than the rows. */
const mostRowsHere = 32

/** Where threads write what a block comes to: one score and one mark per row, marks being 0 before. */
export interface ScoresInto {
  readonly scores: Float64Array<SharedArrayBuffer>
  readonly flags: Uint8Array<SharedArrayBuffer>
}

/** Scores a block on the threads, without asking for admission; gives the seconds that took them. */
export type ScoreBlock = (model: ScoringModel, block: Block, into: ScoresInto, options: CallOptions) => Promise<number>

export interface PoolBatch {
  /** Whether a call is small enough to be scored in company. */
  takes(block: Block<ArrayBufferLike>): boolean
  /** Scores a block, which may lie in any memory, together with others of the same model. An aborted call rejects with its signal's reason. */
  score(model: ScoringModel, block: Block<ArrayBufferLike>, options: CallOptions): Promise<BlockScores>
  /** Calls whose block has not left. */
  readonly waiting: number
  /** Hands everything that waits to the threads, before it returns. */
  flush(): void
}

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

/** Puts small calls together; at most `threads` shared blocks are under way at once, beside those that `few` scores itself. */
export function createPoolBatch(threads: number, scoreBlock: ScoreBlock, few: FewScoring): PoolBatch {
  const arenas = createArenas(threads)
  let open: Batch[] = []
  /** The models of the blocks under way. */
  const underWay: string[] = []
  let waiting = 0
  let scheduled = false

  /** Calls that came in this turn of the event loop, and whether the last turn with calls had one. */
  let callsOfTurn = 0
  let isQuiet = false

  const isForHere = (model: ScoringModel, rows: number) => rows <= mostRowsHere && few.takes(model, rows)
  const mayLeave = ({ model, rows }: Batch) =>
    isForHere(model, rows) || (underWay.length < threads && (rows >= rowsWorthAThread || !underWay.includes(model.key)))

  /** Whether a call comes alone, as the one before did. */
  function comesAlone(): boolean {
    if (callsOfTurn++ > 0) return false
    setImmediate(() => {
      isQuiet = callsOfTurn === 1
      callsOfTurn = 0
    })
    return isQuiet && waiting === 0 && underWay.length === 0
  }

  function scoreAtOnce(model: ScoringModel, block: Block<ArrayBufferLike>): BlockScores {
    const scores = new Float64Array(block.rows)
    const flags = new Uint8Array(block.rows)
    return { scores, flags, seconds: few.score(model, block, { scores, flags }) }
  }

  function leaveSoon(): void {
    if (scheduled || !open.some(mayLeave)) return
    scheduled = true
    setImmediate(() => {
      scheduled = false
      for (let batch = open.find(mayLeave); batch; batch = open.find(mayLeave)) {
        open.splice(open.indexOf(batch), 1)
        void send(batch)
      }
    })
  }

  async function send({ model, calls }: Batch): Promise<void> {
    waiting -= calls.length
    underWay.push(model.key)
    try {
      await scoreCalls(model, dropGivenUp(calls))
    } finally {
      underWay.splice(underWay.indexOf(model.key), 1)
      leaveSoon()
    }
  }

  async function scoreCalls(model: ScoringModel, calls: readonly Call[]): Promise<void> {
    if (calls.length === 0) return
    const arena = arenas.take()
    try {
      const block = joinBlocks(arena, calls, model.features + (model.entities === undefined ? 0 : 1))
      const { scores, flags } = arena
      const into = { scores, flags }
      const seconds = isForHere(model, block.rows)
        ? few.score(model, block, into)
        : await scoreBlock(model, block, into, {})
      handOut(calls, seconds, into)
    } catch (error) {
      if (calls.length === 1) calls[0]!.reject(error)
      // Nobody fails for what came with somebody else.
      else for (const call of calls) await scoreCalls(model, [call])
    } finally {
      arenas.giveBack(arena)
    }
  }

  return {
    takes: ({ rows }) => rows > 0 && rows <= mostRowsOfCall,
    score(model, block, options) {
      few.count(model, block.rows)
      if (comesAlone() && few.takes(model, block.rows)) return Promise.resolve(scoreAtOnce(model, block))
      return new Promise((resolve, reject) => {
        let batch = open.find((other) => other.model.key === model.key && other.rows + block.rows <= mostRowsOfBatch)
        if (!batch) {
          batch = { model, calls: [], rows: 0 }
          open.push(batch)
        }
        batch.calls.push({ block, options, resolve, reject })
        batch.rows += block.rows
        waiting++
        leaveSoon()
      })
    },
    get waiting() {
      return waiting
    },
    flush() {
      const left = open
      open = []
      for (const batch of left) void send(batch)
    },
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
function joinBlocks(arena: Arena, calls: readonly Call[], lanes: number): Block {
  const rows = calls.reduce((sum, { block }) => sum + block.rows, 0)
  const joined = arena.block(rows, lanes)
  let start = 0
  for (const { block } of calls) {
    for (let lane = 0; lane < lanes; lane++) {
      const from = lane * block.stride
      const to = lane * rows + start
      // So few values are copied sooner than a view of them is made.
      for (let row = 0; row < block.rows; row++) joined.values[to + row] = block.values[from + row]!
    }
    start += block.rows
  }
  return joined
}

/** Each call gets its stretch of a copy of the scores, and its share of the time. */
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

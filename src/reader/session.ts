import { DeepWatchError } from '../errors.ts'
import { type Block, blockRows, shareBytes } from '../kernels/index.ts'
import type { Source } from '../sources/index.ts'
import { BLOCK_HEAD_BYTES, type Command, FRAME } from './frames.ts'
import type { ReaderProcess } from './process.ts'
import type {
  Description,
  EntityRows,
  FeatureBlock,
  FeatureQuery,
  ReaderSession,
  ScoredQuery,
  SourceAggregate,
  Span,
} from './types.ts'

/** The calls of one session over its process. `close` is given from outside, where the process is accounted for. */
export function createSession(process: ReaderProcess, source: Source, close: () => Promise<void>): ReaderSession {
  const { frames, call } = createCalls(process, source, close)
  let described: Promise<Description> | null = null

  async function* features(query: FeatureQuery): AsyncGenerator<FeatureBlock> {
    const columns = query.features.length + countExtra(query)
    const rows = blockRows(columns, query.entities !== undefined)
    const slabs = createSlabs(columns * rows)
    const answer = frames({ call: 'features', query })
    let first = 0
    try {
      for (;;) {
        const step = await answer.next()
        if (step.done === true) {
          if ((step.value as { rows: number }).rows !== first) throw process.fatal('crash')
          return await source.verifyUnchanged()
        }
        const values = await slabs.free()
        const block = await readBlock(process, step.value.kind, { values, stride: rows, columns }, first, slabs)
        first += block.block.rows
        yield block
      }
    } finally {
      // Ends the process where the rest of the answer is not wanted.
      await answer.return(undefined)
    }
  }

  async function* arrowScored(query: ScoredQuery): AsyncGenerator<Uint8Array> {
    const answer = frames({ call: 'arrowScored', query })
    let step = await answer.next()
    while (step.done !== true) {
      const bytes = new Uint8Array(step.value.length)
      await process.take(bytes)
      // One step ahead: the last bytes are given out only when the whole answer came.
      step = await answer.next()
      if (step.done === true) await source.verifyUnchanged()
      yield bytes
    }
  }

  return {
    describe: () => (described ??= call<Description>({ call: 'describe' })),
    span: (query) => call<Span>({ call: 'span', query }),
    entities: (query) => call<EntityRows[]>({ call: 'entities', query }),
    growing: (query) => call<string[]>({ call: 'growing', query }),
    features,
    async writeScored(query) {
      const result = await call<{ rows: number; bytes: number }>({ call: 'writeScored', query })
      await source.verifyUnchanged()
      return result
    },
    arrowScored,
    async aggregate(query) {
      const result = await call<SourceAggregate>({ call: 'aggregate', query })
      await source.verifyUnchanged()
      return result
    },
    close,
  }
}

/** Commands to one process over one source and their answers, one after the other. `close` ends the process. */
function createCalls(process: ReaderProcess, source: Source, close: () => Promise<void>) {
  /** The call that came last; the next one waits for it. */
  let last: Promise<void> = Promise.resolve()

  /** Sends a command, yields its frames, whose payloads are to be taken, and returns the result. */
  async function* frames(command: Command): AsyncGenerator<{ kind: number; length: number }, unknown> {
    const before = last
    let leave = () => {}
    last = new Promise((fulfil) => {
      leave = fulfil
    })
    await before
    let ended = false
    try {
      process.send(command)
      for (;;) {
        const frame = await process.frame()
        if (frame.kind === FRAME.result || frame.kind === FRAME.error) {
          ended = true
          return await process.result(frame)
        }
        yield frame
      }
    } catch (error) {
      ended = true
      // A file that was changed under the reader is a better answer than what it did to the reader.
      if (error instanceof DeepWatchError && error.status === 422) await source.verifyUnchanged()
      throw error
    } finally {
      // The rest of an answer nobody wants cannot be taken back: the process goes.
      if (!ended) await close()
      leave()
    }
  }

  /** Sends a command that is answered by its result alone. */
  async function call<Result>(command: Command): Promise<Result> {
    const answer = await frames(command).next()
    if (answer.done !== true) throw process.fatal('crash')
    return answer.value as Result
  }
  return { frames, call }
}

/** Blocks that may be out at once; the next one is read only when one came back. Whoever holds more waits for ever. */
export const MAX_BLOCKS = 6

type Slab = Float64Array<SharedArrayBuffer>

/** Shared memory for blocks of `length` values, used again and again. */
function createSlabs(length: number) {
  const idle: Slab[] = []
  const out = new Set<Slab>()
  let waiting: ((slab: Slab) => void) | null = null
  const released = () =>
    new Promise<Slab>((fulfil) => {
      waiting = fulfil
    })
  return {
    /** A slab nobody uses; waits for one while all are out. */
    async free(): Promise<Slab> {
      const isRoom = out.size < MAX_BLOCKS
      const slab = idle.pop() ?? (isRoom ? new Float64Array(shareBytes(8 * length)) : await released())
      out.add(slab)
      return slab
    },
    /** Gives a slab back. Doing it twice has no effect. */
    release(slab: Slab): void {
      if (!out.delete(slab)) return
      if (waiting === null) idle.push(slab)
      else waiting(slab)
      waiting = null
    },
  }
}

function countExtra({ extra }: FeatureQuery): number {
  const { row, timestamp, label, history, entity } = extra ?? {}
  return [row, timestamp, label !== undefined, history, entity].filter(Boolean).length
}

/** Takes one block from the exchange or the pipe into shared memory. */
async function readBlock(
  process: ReaderProcess,
  kind: number,
  { values, stride, columns }: Omit<Block, 'rows'>,
  first: number,
  slabs: ReturnType<typeof createSlabs>,
): Promise<FeatureBlock> {
  const head = new Uint8Array(BLOCK_HEAD_BYTES)
  await process.take(head)
  const rows = new DataView(head.buffer).getUint32(0, true)
  const textBytes = new DataView(head.buffer).getUint32(4, true)
  if (rows === 0 || rows > stride) throw process.fatal('crash')
  const parts =
    rows === stride
      ? [new Uint8Array(values.buffer)]
      : Array.from({ length: columns }, (_, column) => new Uint8Array(values.buffer, column * stride * 8, rows * 8))
  if (kind === FRAME.placed) await process.takePlaced(parts, values.byteLength)
  else for (const part of parts) await process.take(part)
  let text: string[] | null = null
  if (textBytes > 0) {
    const bytes = Buffer.allocUnsafe(textBytes)
    await process.take(bytes)
    text = bytes.toString('utf8').split('\n')
    if (text.length !== rows) throw process.fatal('crash')
  }
  const block: Block = { values, stride, rows, columns }
  return { block, first, text, release: () => slabs.release(values) }
}

/** The error for a process that died over a source. */
export function deathOf(source: Source): DeepWatchError {
  return source.format === 'parquet'
    ? new DeepWatchError('parquet_unreadable', 'The Parquet file is damaged: it could not be read.')
    : new DeepWatchError('source_unreadable', 'The source is damaged: it could not be read.')
}

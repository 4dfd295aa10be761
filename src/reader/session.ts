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

/** Blocks that may be out at once; the next one is read only when one came back. Whoever holds more waits for ever. */
export const MOST_BLOCKS = 6

/** The calls of one session over its process. `close` is given from outside, where the process is accounted for. */
export function createSession(process: ReaderProcess, source: Source, close: () => Promise<void>): ReaderSession {
  let described: Promise<Description> | null = null
  /** The call that came last; the next one waits for it. */
  let last: Promise<void> = Promise.resolve()

  /** Sends a command and hands its frames to `each` until the result. */
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
          if (frame.kind === FRAME.error) throw await process.error(frame.length)
          return await process.json(frame.length)
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

  async function call(command: Command): Promise<unknown> {
    const answer = await frames(command).next()
    if (answer.done !== true) throw process.fatal('crash')
    return answer.value
  }

  async function* features(query: FeatureQuery): AsyncGenerator<FeatureBlock> {
    const lanes = query.features.length + countExtra(query)
    const rows = blockRows(lanes, query.entities !== undefined)
    const slabs = new Slabs(lanes * rows)
    const answer = frames({ call: 'features', query })
    let first = 0
    let total: number
    for (;;) {
      const step = await answer.next()
      if (step.done === true) {
        total = (step.value as { rows: number }).rows
        break
      }
      const values = await slabs.free()
      let block: FeatureBlock
      try {
        block = await readBlock(process, step.value.kind, { values, stride: rows, columns: lanes }, first, slabs)
      } catch (error) {
        await answer.return(undefined)
        throw error
      }
      first += block.block.rows
      let kept = false
      try {
        yield block
        kept = true
      } finally {
        if (!kept) await answer.return(undefined)
      }
    }
    if (total !== first) throw process.fatal('crash')
    await source.verifyUnchanged()
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
    describe: () => (described ??= call({ call: 'describe' }) as Promise<Description>),
    span: ({ timestamp, window, interval }) =>
      call({
        call: 'span',
        timestamp: timestamp ?? null,
        window: window ?? null,
        interval: interval ?? null,
      }) as Promise<Span>,
    entities: ({ entity, timestamp, window, most }) =>
      call({ call: 'entities', entity, timestamp: timestamp ?? null, window: window ?? null, most }) as Promise<
        EntityRows[]
      >,
    features,
    async writeScored(query) {
      const result = (await call({ call: 'writeScored', query })) as { rows: number; bytes: number }
      await source.verifyUnchanged()
      return result
    },
    arrowScored,
    async aggregate(query) {
      const result = (await call({ call: 'aggregate', query })) as SourceAggregate
      await source.verifyUnchanged()
      return result
    },
    close,
  }
}

function countExtra({ lanes }: FeatureQuery): number {
  const { row, timestamp, label, history, entity } = lanes ?? {}
  return [row, timestamp, label !== undefined, history, entity].filter(Boolean).length
}

/** Takes one block from the exchange or the pipe into shared memory. */
async function readBlock(
  process: ReaderProcess,
  kind: number,
  { values, stride, columns: lanes }: Omit<Block, 'rows'>,
  first: number,
  slabs: Slabs,
): Promise<FeatureBlock> {
  const head = new Uint8Array(BLOCK_HEAD_BYTES)
  await process.take(head)
  const rows = new DataView(head.buffer).getUint32(0, true)
  const textBytes = new DataView(head.buffer).getUint32(4, true)
  if (rows === 0 || rows > stride) throw process.fatal('crash')
  const parts =
    rows === stride
      ? [new Uint8Array(values.buffer)]
      : Array.from({ length: lanes }, (_, lane) => new Uint8Array(values.buffer, lane * stride * 8, rows * 8))
  if (kind === FRAME.placed) await process.takePlaced(parts, values.byteLength)
  else for (const part of parts) await process.take(part)
  let text: string[] | null = null
  if (textBytes > 0) {
    const bytes = Buffer.allocUnsafe(textBytes)
    await process.take(bytes)
    text = bytes.toString('utf8').split('\n')
    if (text.length !== rows) throw process.fatal('crash')
  }
  const block: Block = { values, stride, rows, columns: lanes }
  return { block, first, text, release: () => slabs.release(values) }
}

/** Shared memory for blocks, used again and again. */
class Slabs {
  private readonly length: number
  private readonly idle: Float64Array<SharedArrayBuffer>[] = []
  private readonly out = new Set<Float64Array<SharedArrayBuffer>>()
  private waiting: ((slab: Float64Array<SharedArrayBuffer>) => void) | null = null

  /** @param length values of a block */
  constructor(length: number) {
    this.length = length
  }

  /** A slab nobody uses; waits for one when the most are out. */
  async free(): Promise<Float64Array<SharedArrayBuffer>> {
    const slab = this.idle.pop() ?? (this.out.size < MOST_BLOCKS ? this.create() : await this.next())
    this.out.add(slab)
    return slab
  }

  /** Gives a slab back. Doing it twice has no effect. */
  release(slab: Float64Array<SharedArrayBuffer>): void {
    if (!this.out.delete(slab)) return
    const { waiting } = this
    this.waiting = null
    if (waiting !== null) waiting(slab)
    else this.idle.push(slab)
  }

  private create(): Float64Array<SharedArrayBuffer> {
    return new Float64Array(shareBytes(8 * this.length))
  }

  private next(): Promise<Float64Array<SharedArrayBuffer>> {
    return new Promise((fulfil) => {
      this.waiting = fulfil
    })
  }
}

/** The error for a process that died over a source. */
export function deathOf(source: Source): DeepWatchError {
  return source.format === 'parquet'
    ? new DeepWatchError('parquet_unreadable', 'The Parquet file is damaged: it could not be read.')
    : new DeepWatchError('source_unreadable', 'The source is damaged: it could not be read.')
}

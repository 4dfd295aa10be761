import { DeepWatchError } from '../errors.ts'
import { type Block, blockRows } from '../kernels/index.ts'
import type { Source } from '../sources/index.ts'
import { Calls } from './calls.ts'
import { BLOCK_HEAD_BYTES, FRAME } from './frames.ts'
import type { ReaderProcess } from './process.ts'
import { Slabs } from './slabs.ts'
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
  const calls = new Calls(process, source, close)
  let described: Promise<Description> | null = null

  async function* features(query: FeatureQuery): AsyncGenerator<FeatureBlock> {
    const columns = query.features.length + countExtra(query)
    const rows = blockRows(columns, query.entities !== undefined)
    const slabs = new Slabs(columns * rows)
    const answer = calls.frames({ call: 'features', query })
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
    const answer = calls.frames({ call: 'arrowScored', query })
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
    describe: () => (described ??= calls.call<Description>({ call: 'describe' })),
    span: (query) => calls.call<Span>({ call: 'span', query }),
    entities: (query) => calls.call<EntityRows[]>({ call: 'entities', query }),
    features,
    async writeScored(query) {
      const result = await calls.call<{ rows: number; bytes: number }>({ call: 'writeScored', query })
      await source.verifyUnchanged()
      return result
    },
    arrowScored,
    async aggregate(query) {
      const result = await calls.call<SourceAggregate>({ call: 'aggregate', query })
      await source.verifyUnchanged()
      return result
    },
    close,
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

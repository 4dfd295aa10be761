import { writeSync } from 'node:fs'
import { type Batch, createBatch, createTelemetry, metricNames } from '../src/generate/index.ts'
import type { WriterReport, WriterStart } from './messages.ts'
import {
  CHUNK_ROWS,
  type ChunkTarget,
  connect,
  Feed,
  type FeedColumn,
  quoteName,
  quoteText,
  runStatement,
  statement,
} from './reader/database/index.ts'

/**
 * The writing process: makes telemetry and has the database write it as Parquet, chunk by chunk, so that nothing is held or
 * sent. Its settings are its argument; it tells on standard output, a line of JSON each, how many rows there are,
 * and ends when its standard input closes.
 */

const TELL_MS = 100
const MEMORY_BYTES = 512 * 1024 * 1024

function tell(report: WriterReport): void {
  writeSync(1, `${JSON.stringify(report)}\n`)
}

/** A walk over the run from its first row: the columns of a batch, one chunk at a time. */
function walk({ fleet }: WriterStart): (target: ChunkTarget, wanted: readonly number[]) => void {
  const telemetry = createTelemetry(fleet)
  const batch = createBatch(CHUNK_ROWS)
  const times = new BigInt64Array(CHUNK_ROWS)
  const writers: ((target: ChunkTarget, column: number, from: Batch) => void)[] = [
    (target, column, from) => {
      for (let row = 0; row < from.rows; row++) times[row] = BigInt(from.times[row]! * 1e6)
      target.write(column, times.subarray(0, from.rows))
    },
    (target, column, from) => target.write(column, part(from.hosts, from.rows)),
    (target, column, from) => target.write(column, part(from.incidents, from.rows)),
    ...metricNames.map((_, metric) => (target: ChunkTarget, column: number, from: Batch) => {
      target.write(column, part(from.values[metric]!, from.rows))
    }),
  ]
  let rows = 0
  let told = performance.now()
  return (target, wanted) => {
    telemetry.next(batch)
    target.rows = batch.rows
    if (batch.rows > 0) {
      wanted.forEach((number, column) => {
        writers[number]?.(target, column, batch)
      })
    }
    rows += batch.rows
    const now = performance.now()
    if (now - told < TELL_MS) return
    told = now
    tell({ rows })
  }
}

function part<T extends Float64Array | Uint32Array | Uint8Array>(
  values: T,
  rows: number,
): ArrayBufferView<ArrayBuffer> {
  return values.subarray(0, rows) as ArrayBufferView<ArrayBuffer>
}

async function write(start: WriterStart): Promise<number> {
  // One thread makes and packs; a second one would only wait for it.
  const connection = await connect(1, MEMORY_BYTES)
  const feed = new Feed(connection, 'fed')
  const columns: FeedColumn[] = [
    { name: 'time', type: 'TIMESTAMPTZ' },
    { name: 'host', type: 'UINTEGER' },
    { name: 'incident', type: 'UTINYINT' },
    ...metricNames.map((_, metric) => ({ name: `v${metric}`, type: 'DOUBLE' as const })),
  ]
  feed.yields(columns, () => ({ next: walk(start) }))
  const { hosts, kinds } = createTelemetry(start.fleet)
  const copy = statement('write-generated', {
    metrics: metricNames.map((name, metric) => `v${metric} as ${quoteName(name)}`).join(', '),
    output: quoteText(start.output),
  })
  try {
    return await runStatement(connection, copy, { hosts, kinds })
  } catch (error) {
    throw feed.failure ?? error
  }
}

process.stdin.on('close', () => process.kill(process.pid, 'SIGKILL')).resume()
try {
  tell({ written: await write(JSON.parse(process.argv[2] ?? '{}') as WriterStart) })
} catch (error) {
  const isFull = /No space left|disk quota/i.test(String(error))
  tell({ failed: isFull ? 'storage_full' : 'storage_error', cause: String(error) })
}
process.exit()

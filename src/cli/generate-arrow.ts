/** Generated rows as an Arrow IPC stream. */
import {
  Bool,
  type DataType,
  Field,
  Float64,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
} from 'apache-arrow'
import { type Batch, createBatch, createTelemetry, type FleetSettings, metricNames } from '../generate/index.ts'

const batchRows = 65_536
/** What ends a stream: a message of no length. */
const endBytes = 8

const schema = new Schema([
  new Field('timestamp', new TimestampMicrosecond('UTC'), true),
  new Field('host', new Utf8(), true),
  ...metricNames.map((name) => new Field(name, new Float64(), true)),
  new Field('label', new Bool(), true),
  new Field('incident', new Utf8(), true),
])

/** One batch a piece, made a whole stream: only the first keeps the schema, only the last the marker of the end. */
export function* arrowPieces(fleet: FleetSettings): Generator<{ bytes: Uint8Array; rows: number }> {
  const telemetry = createTelemetry(fleet)
  const batch = createBatch(batchRows)
  let isFirst = true
  for (;;) {
    telemetry.next(batch)
    const isLast = batch.rows < batchRows
    const record = recordBatch(batch, telemetry.hosts, telemetry.kinds)
    const whole = RecordBatchStreamWriter.writeAll([record]).toUint8Array(true)
    const start = isFirst ? 0 : schemaBytes(whole)
    yield { bytes: whole.subarray(start, whole.length - (isLast ? 0 : endBytes)), rows: batch.rows }
    if (isLast) return
    isFirst = false
  }
}

/** Length of the first message, which has no body: a mark, the length of its head, the head. */
const schemaBytes = (stream: Uint8Array) => 8 + new DataView(stream.buffer, stream.byteOffset).getInt32(4, true)

function recordBatch(batch: Batch, hosts: readonly string[], kinds: readonly string[]): RecordBatch {
  const { rows } = batch
  const column = (type: DataType, data: ArrayBufferView) =>
    makeData({ type, length: rows, nullCount: 0, data } as never)
  const times = BigInt64Array.from({ length: rows }, (_, row) => BigInt(batch.times[row]!) * 1_000_000n)
  const labels = new Uint8Array(Math.ceil(rows / 8))
  for (let row = 0; row < rows; row++) if (batch.incidents[row]! > 0) labels[row >> 3]! |= 1 << (row & 7)
  const children = [
    column(new TimestampMicrosecond('UTC'), times),
    texts(hosts, batch.hosts, rows),
    ...batch.values.map((values) => column(new Float64(), values.subarray(0, rows))),
    column(new Bool(), labels),
    texts([null, ...kinds], batch.incidents, rows),
  ]
  return new RecordBatch(schema, makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children }))
}

/** A column of texts, each one of a few; the library's own builder takes ten times as long. */
function texts(choices: readonly (string | null)[], chosen: Uint32Array | Uint8Array, rows: number) {
  const bytes = choices.map((text) => Buffer.from(text ?? ''))
  const valueOffsets = new Int32Array(rows + 1)
  for (let row = 0; row < rows; row++) valueOffsets[row + 1] = valueOffsets[row]! + bytes[chosen[row]!]!.length
  const data = new Uint8Array(valueOffsets[rows]!)
  const nullBitmap = new Uint8Array(Math.ceil(rows / 8))
  let nullCount = 0
  for (let row = 0; row < rows; row++) {
    data.set(bytes[chosen[row]!]!, valueOffsets[row]!)
    if (choices[chosen[row]!] === null) nullCount++
    else nullBitmap[row >> 3]! |= 1 << (row & 7)
  }
  return makeData({ type: new Utf8(), length: rows, nullCount, nullBitmap, valueOffsets, data })
}

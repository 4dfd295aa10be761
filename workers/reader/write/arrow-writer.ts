import { Field, makeData, RecordBatch, RecordBatchStreamWriter, Schema, Struct } from 'apache-arrow'
import { FRAME } from '../../../src/reader/index.ts'
import {
  chunksOf,
  type Database,
  quoteName,
  type RelationColumn,
  statement,
  streamStatement,
  type Values,
} from '../database/index.ts'
import { type OutputColumn, outputColumn } from '../formats/index.ts'
import { explainBreak, send } from '../read/index.ts'

/** Rows of a batch; a multiple of the database's chunks. */
const BATCH_ROWS = 32 * 2_048
/** A batch ends early when its texts reach this. */
const BATCH_TEXT_BYTES = 64 * 1024 * 1024

/** A statement for the source with its scores, and the names of its columns. */
export interface ScoredStatement {
  readonly sql: string
  readonly values: Values
  readonly columns: readonly RelationColumn[]
}

/**
 * Streams a scored source as an Arrow IPC stream in batches and returns the number of rows. The end-of-stream marker is
 * written only when the last row proved that the source was read to its end.
 */
export async function writeArrowStream(database: Database, scored: ScoredStatement): Promise<number> {
  const columns = [
    ...scored.columns.map(({ name, sql }) => outputColumn(name, sql)),
    outputColumn('anomaly_score', 'DOUBLE'),
    outputColumn('is_anomaly', 'BOOLEAN'),
  ]
  const schema = new Schema(columns.map(({ name, type }) => new Field(name, type, true)))
  const counter = { rows: 0 }
  const writer = new RecordBatchStreamWriter()
  writer.reset(undefined, schema)
  const written = writer.writeAll(batches(database, scored, columns, schema, counter))
  // Without the abort the loop below would wait for ever; what it throws is not the error but the writer's wrapping of it.
  let failure: unknown = null
  written.catch((error: unknown) => {
    failure = error
    writer.abort(error)
  })
  try {
    for await (const bytes of writer) send(FRAME.bytes, bytes)
    await written
  } catch (error) {
    throw failure ?? error
  }
  return counter.rows
}

async function* batches(
  database: Database,
  { sql, values }: ScoredStatement,
  columns: readonly OutputColumn[],
  schema: Schema,
  counter: { rows: number },
): AsyncGenerator<RecordBatch> {
  const stream = statement('scored-stream', {
    output: columns.map(({ name, cast }) => cast(quoteName(name))).join(', '),
    scored: sql,
    padding: columns.map(() => 'null').join(', '),
  })
  const result = await streamStatement(database.connection, stream, values)
  let rows = 0
  const flush = (): RecordBatch => {
    const children = columns.map((column) => column.take())
    const data = makeData({ type: new Struct(schema.fields), length: rows, nullCount: 0, children })
    counter.rows += rows
    rows = 0
    return new RecordBatch(schema, data)
  }
  for await (const chunk of chunksOf(result)) {
    const proven = chunk.bytes(columns.length, 1)[chunk.rows - 1] === 1
    if (proven) database.scores.verify()
    const count = chunk.rows - Number(proven)
    columns.forEach((column, index) => {
      if (count > 0) column.add(chunk, index, count)
    })
    rows += count
    if (rows > 0 && (proven || rows >= BATCH_ROWS || columns.some((column) => column.textBytes > BATCH_TEXT_BYTES)))
      yield flush()
    // An empty source still has a schema, which the writer sends with its first batch.
    if (proven && counter.rows === 0) yield flush()
    if (proven) return
  }
  await explainBreak(database, statement('features-check', { statement: sql, counts: 'count(*)::varchar' }), values)
}

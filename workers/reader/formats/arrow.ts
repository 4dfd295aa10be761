import type { RecordBatch, RecordBatchStreamReader } from 'apache-arrow'
import { DeepWatchError } from '../../../src/errors.ts'
import { formatOf } from '../../../src/formats/index.ts'
import {
  CHUNK_ROWS,
  COUNTED_POSITION,
  checkNames,
  type FeedWalk,
  type OpenFile,
  type Relation,
  type RelationInput,
} from '../database/index.ts'
import { messagesOf, surveyArrow } from './arrow-messages.ts'
import { type ArrowColumn, arrowColumn } from './arrow-types.ts'

type Arrow = typeof import('apache-arrow')

/**
 * Arrow IPC streams as a relation. The frames of all messages are checked first, without their bodies: a stream must end with its
 * end-of-stream marker, because one that was cut between two batches looks whole otherwise. Batches are decoded one at a time.
 */
export async function arrowRelation({ database, files, command }: RelationInput): Promise<Relation> {
  const arrow = await import('apache-arrow')
  const surveys = files.map((file) => surveyArrow(arrow, file, command.maxCells))
  const { fields } = (surveys[0] as (typeof surveys)[0]).schema
  // A field may have no name at all.
  const names = fields.map(({ name }) => (name as string | null) ?? '')
  checkNames(names, command.maxColumns)
  const columns = fields.map((field, index) => arrowColumn(arrow, field, index))
  const shape = (all: typeof fields): string =>
    all.map((field) => JSON.stringify([field.name, String(field.type)])).join()
  surveys.forEach(({ schema }, index) => {
    if (shape(schema.fields) === shape(fields)) return
    const { name } = files[index] as OpenFile
    throw new DeepWatchError('type_mismatch', `The columns of ${name} are not those of the first file.`, {
      facts: { file: name },
    })
  })
  const rows = surveys.reduce((sum, each) => sum + each.rows, 0)
  if (rows * columns.length > command.maxCells) {
    const size = `${rows} rows x ${columns.length} columns`
    throw new DeepWatchError(
      'decoded_too_large',
      `The source has ${size}; at most ${command.maxCells} values are read.`,
    )
  }
  const { feed } = database
  feed.yields(
    columns.map(({ type }, index) => ({ name: `v${index}`, type })),
    () => walkOf(arrow, files, columns),
  )
  return {
    columns: columns.map((column) => column.column),
    rows,
    from: formatOf('arrow').relation,
    values: {},
    position: COUNTED_POSITION,
  }
}

/** Hands the rows of all batches over, a chunk at a time; a chunk ends with its batch. */
function walkOf(arrow: Arrow, files: readonly OpenFile[], columns: readonly ArrowColumn[]): FeedWalk {
  const batches = batchesOf(arrow, files)
  let batch: RecordBatch | null = null
  let at = 0
  return {
    next(target, wanted) {
      while (batch === null || at >= batch.numRows) {
        const step = batches.next()
        if (step.done === true) {
          target.rows = 0
          return
        }
        batch = step.value
        at = 0
      }
      target.rows = Math.min(CHUNK_ROWS, batch.numRows - at)
      for (const [column, number] of wanted.entries()) {
        columns[number]?.write(target, column, batch.getChildAt(number), at)
      }
      at += target.rows
    },
  }
}

/** The batches of the files, decoded one at a time. Throws `source_unreadable`. */
function* batchesOf(arrow: Arrow, files: readonly OpenFile[]): Generator<RecordBatch, undefined> {
  try {
    for (const file of files) yield* arrow.RecordBatchReader.from(messagesOf(file)) as RecordBatchStreamReader
  } catch {
    throw new DeepWatchError('source_unreadable', 'The Arrow stream is damaged.')
  }
}

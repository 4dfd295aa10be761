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
import { decoded, messagesOf, surveyArrow } from './arrow-messages.ts'
import { type ArrowColumn, arrowColumn, requireWhole } from './arrow-types.ts'
import { pandasIndex } from './pandas.ts'
import { mayRound, roundedColumns } from './precision.ts'

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
  const from = formatOf('arrow').relation
  feed.yields(
    columns.map(({ type }, index) => ({ name: `v${index}`, type })),
    () => walkOf(arrow, files, columns),
  )
  // Only a training asks what its columns are.
  const isTraining = command.types === null
  const index = pandasIndex(isTraining ? surveys.map(({ schema }) => schema.metadata.get('pandas')) : [])
  const looked = columns
    .map(({ column }) => column)
    .filter(({ sql }) => isTraining && mayRound(sql, Number.POSITIVE_INFINITY))
  const rounded = await roundedColumns(database, { from, values: {} }, looked)
  return {
    columns: columns.map(({ column }) => ({
      ...column,
      precisionLoss: rounded.includes(column.name),
      ...(index.has(column.name) && { index: true }),
    })),
    rows,
    from,
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
        const step = decoded(() => batches.next())
        if (step.done === true) {
          target.rows = 0
          return
        }
        batch = step.value
        at = 0
      }
      target.rows = Math.min(CHUNK_ROWS, batch.numRows - at)
      const current = batch
      decoded(() => {
        for (const [column, number] of wanted.entries()) {
          const vector = current.getChildAt(number)
          for (const data of at === 0 ? (vector?.data ?? []) : []) requireWhole(arrow, data)
          columns[number]?.write(target, column, vector, at)
        }
      })
      at += target.rows
    },
  }
}

/** The batches of the files, decoded one at a time. */
function* batchesOf(arrow: Arrow, files: readonly OpenFile[]): Generator<RecordBatch, undefined> {
  for (const file of files) yield* arrow.RecordBatchReader.from(messagesOf(file)) as RecordBatchStreamReader
}

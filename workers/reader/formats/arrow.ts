import type { RecordBatch, RecordBatchStreamReader } from 'apache-arrow'
import { DeepWatchError } from '../../../src/errors.ts'
import { formatOf } from '../../../src/formats/index.ts'
import {
  CHUNK_ROWS,
  type ChunkTarget,
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
  const names = fields.map((field) => field.name)
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
    () => new ArrowWalk(arrow, files, columns),
  )
  return {
    columns: columns.map((column) => column.column),
    rows,
    from: formatOf('arrow').relation,
    values: {},
    position: COUNTED_POSITION,
    fed: () => feed.rows,
  }
}

class ArrowWalk implements FeedWalk {
  private readonly arrow: Arrow
  private readonly files: readonly OpenFile[]
  private readonly columns: readonly ArrowColumn[]
  private file = 0
  private reader: RecordBatchStreamReader | null = null
  private batch: RecordBatch | null = null
  private at = 0

  constructor(arrow: Arrow, files: readonly OpenFile[], columns: readonly ArrowColumn[]) {
    this.arrow = arrow
    this.files = files
    this.columns = columns
  }

  next(target: ChunkTarget, wanted: readonly number[]): void {
    const batch = this.current()
    const rows = batch === null ? 0 : Math.min(CHUNK_ROWS, batch.numRows - this.at)
    target.rows = rows
    if (batch === null) return
    wanted.forEach((number, column) => {
      this.columns[number]?.write(target, column, batch.getChildAt(number), this.at)
    })
    this.at += rows
  }

  /** The batch with rows left to hand over; null after the last one. */
  private current(): RecordBatch | null {
    while (this.batch === null || this.at >= this.batch.numRows) {
      if (this.file >= this.files.length) return null
      try {
        this.reader ??= this.arrow.RecordBatchReader.from(
          messagesOf(this.files[this.file] as OpenFile),
        ) as RecordBatchStreamReader
        const step = this.reader.next()
        this.at = 0
        this.batch = step.done === true ? null : step.value
        if (step.done === true) {
          this.reader = null
          this.file++
        }
      } catch {
        throw new DeepWatchError('source_unreadable', 'The Arrow stream is damaged.')
      }
    }
    return this.batch
  }
}

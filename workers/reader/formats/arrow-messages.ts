import { readSync } from 'node:fs'
import type { Schema } from 'apache-arrow'
import { DeepWatchError } from '../../../src/errors.ts'
import type { OpenFile } from '../database/index.ts'

type Arrow = typeof import('apache-arrow')
type ArrowMessage = InstanceType<Arrow['Message']>

const CONTINUATION = 0xffffffff
const METADATA_BYTES = 64 * 1024 * 1024
/** A batch is decoded as a whole, so it must fit the memory of a few blocks. */
const BODY_BYTES = 512 * 1024 * 1024

export interface ArrowSurvey {
  readonly schema: Schema
  /** Rows by the metadata of all batches. */
  readonly rows: number
}

/**
 * Walks the messages of a stream by their metadata and checks that they fill the file exactly: schema, batches, end-of-stream
 * marker, nothing behind it. Throws `source_unreadable`, `decoded_too_large`.
 */
export function surveyArrow(arrow: Arrow, file: OpenFile, maxRows: number): ArrowSurvey {
  let schema: Schema | null = null
  let rows = 0
  let at = 0
  for (;;) {
    const length = metadataLength(file, at)
    if (length === 0) break
    const message = readMessage(arrow, file, at, length)
    at += 8 + length + message.bodyLength
    if (message.isSchema()) {
      if (schema !== null) throw damaged()
      schema = schemaOf(message, file)
    } else if (schema === null) throw damaged()
    rows += batchRows(message)
    if (!(rows >= 0 && rows <= maxRows)) {
      throw new DeepWatchError('decoded_too_large', `The Arrow stream has more than ${maxRows} rows.`)
    }
  }
  if (schema === null || at + 8 !== file.bytes) throw damaged()
  return { schema, rows }
}

function schemaOf(message: ArrowMessage, { name }: OpenFile): Schema {
  try {
    return message.header() as unknown as Schema
  } catch (error) {
    const type = /Unrecognized type: "(\w{1,40})"/.exec(String(error))?.[1]
    if (type === undefined) throw damaged()
    const detail = `The Arrow stream ${name} has a column of the type ${type}, which is not read. Write it as another type, or without this column.`
    throw new DeepWatchError('source_unreadable', detail, { facts: { file: name, type } })
  }
}

/** The metadata of a message whose body lies in the file. */
function readMessage(arrow: Arrow, file: OpenFile, at: number, length: number): ArrowMessage {
  if (length > METADATA_BYTES || at + 8 + length > file.bytes) throw cut()
  const metadata = read(file, at + 8, length)
  const message = decoded(() => arrow.Message.decode(metadata))
  const { bodyLength } = message
  if (bodyLength > BODY_BYTES)
    throw new DeepWatchError('decoded_too_large', `A batch of the Arrow stream is larger than ${BODY_BYTES} bytes.`)
  if (bodyLength < 0 || at + 8 + length + bodyLength > file.bytes) throw cut()
  return message
}

/** Rows of a message that is a batch; NaN for a count below 0, 0 for other messages. */
function batchRows(message: ArrowMessage): number {
  if (!message.isRecordBatch()) return 0
  const { length, compression } = decoded(() => message.header())
  if (compression !== null && compression !== undefined) {
    const detail = 'Compressed Arrow streams are not read; send the batches uncompressed.'
    throw new DeepWatchError('source_unreadable', detail)
  }
  return length >= 0 ? length : Number.NaN
}

/** The bytes of a stream, message by message: never more than one batch in memory. */
export function* messagesOf(file: OpenFile): Generator<Uint8Array> {
  const step = 1024 * 1024
  for (let at = 0; at < file.bytes; at += step) yield read(file, at, Math.min(step, file.bytes - at))
}

/** Length of the metadata at a place, 0 for the end-of-stream marker. */
function metadataLength(file: OpenFile, at: number): number {
  if (at + 8 > file.bytes) throw cut()
  const head = read(file, at, 8)
  const view = new DataView(head.buffer, head.byteOffset, 8)
  if (view.getUint32(0, true) !== CONTINUATION) throw damaged()
  const length = view.getInt32(4, true)
  if (length < 0) throw damaged()
  return length
}

/**
 * What some decoding of bytes from outside gives. Whatever the library throws over them (also a TypeError or a RangeError) says that
 * they are damaged.
 */
export function decoded<T>(decode: () => T): T {
  try {
    return decode()
  } catch (error) {
    throw error instanceof DeepWatchError ? error : damaged(error)
  }
}

function read(file: OpenFile, at: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length)
  let filled = 0
  while (filled < length) {
    const count = readSync(file.fd, bytes, filled, length - filled, at + filled)
    if (count === 0) throw cut()
    filled += count
  }
  return bytes
}

function cut(): DeepWatchError {
  const detail = 'The Arrow stream is not whole: it must end with its end-of-stream marker.'
  return new DeepWatchError('source_unreadable', detail)
}

function damaged(cause?: unknown): DeepWatchError {
  return new DeepWatchError('source_unreadable', 'The Arrow stream is damaged.', { cause })
}

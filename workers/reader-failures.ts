import { DeepWatchError, type ErrorCode } from '../src/errors.ts'
import type { FormatId } from '../src/formats/format.ts'
import type { Failure } from '../src/reader-frames.ts'

/**
 * Turns what the database throws into our words. Its messages carry paths, values and statements: only their kind is
 * looked at, and of a CSV error the line number.
 */
export function failureOf(error: unknown, format: FormatId): Failure {
  if (error instanceof DeepWatchError)
    return { code: error.code, detail: error.message, facts: error.facts, fatal: false }
  const message = error instanceof Error ? error.message : String(error)
  const unreadable: ErrorCode = format === 'parquet' ? 'parquet_unreadable' : 'source_unreadable'
  if (/INTERNAL Error|FATAL Error|database has been invalidated/.test(message)) {
    return failure(unreadable, 'The source is damaged: reading it failed.', true)
  }
  if (/Out of Memory|bad.?alloc|could not allocate|Allocation failure|Array buffer allocation failed/i.test(message)) {
    return failure('decoded_too_large', 'The source needs more memory to decode than is allowed.')
  }
  if (message.includes('deepwatch:row count')) return failure('internal_error', 'There are not as many scores as rows.')
  if (format === 'csv') return csvFailure(message)
  if (format === 'parquet') return parquetFailure(message)
  return failure(unreadable, 'The source could not be read to its end.')
}

function parquetFailure(message: string): Failure {
  if (/encrypt/i.test(message)) return failure('parquet_encrypted', 'Encrypted Parquet files cannot be read.')
  if (/unsupported compression codec/i.test(message)) {
    return failure('parquet_unsupported_codec', 'The file uses a compression that is not supported.')
  }
  if (/^Conversion Error/.test(message) && /TIMESTAMP|DATE|out of range/i.test(message)) {
    return failure('timestamp_out_of_range', 'A timestamp lies outside the range that can be used.')
  }
  return failure('parquet_unreadable', 'The Parquet file is damaged: it could not be read to its end.')
}

function csvFailure(message: string): Failure {
  const line = /Line:? (\d+)/i.exec(message)?.[1]
  const facts = line === undefined ? {} : { line: Number(line) }
  const where = line === undefined ? '' : ` in line ${line}`
  const column = /Error when converting column "((?:[^"]|"")*)"/.exec(message)?.[1]
  if (column !== undefined || /Could not convert string|Conversion Error/.test(message)) {
    const named = column === undefined ? 'A value' : `A value of column ${JSON.stringify(column.slice(0, 200))}`
    const all = column === undefined ? facts : { ...facts, column: column.slice(0, 200) }
    return { ...failure('type_mismatch', `${named}${where} is not of the column's type.`), facts: all }
  }
  if (/Maximum line size/i.test(message))
    return { ...failure('decoded_too_large', `A line is too long${where}.`), facts }
  return { ...failure('source_unreadable', `The CSV text could not be read${where}.`), facts }
}

function failure(code: ErrorCode, detail: string, fatal = false): Failure {
  return { code, detail, facts: {}, fatal }
}

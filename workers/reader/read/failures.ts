import { DeepWatchError, type ErrorCode } from '../../../src/errors.ts'
import type { FormatId } from '../../../src/formats/index.ts'
import type { Failure } from '../../../src/reader/index.ts'
import { severalUnits } from '../../../src/telemetry/index.ts'
import { show } from '../database/index.ts'
import { OUT_OF_RANGE, SEVERAL_UNITS } from '../formats/index.ts'

/**
 * Turns what the database throws into our words. Its messages carry paths, values and statements: only their kind is
 * looked at, and of a CSV error the line and the column, which stands there under our name for it.
 */
export function failureOf(error: unknown, format: FormatId, columns: readonly string[]): Failure {
  if (error instanceof DeepWatchError) {
    return { code: error.code, detail: error.message, facts: error.facts, fatal: false, cause: null }
  }
  const message = error instanceof Error ? error.message : String(error)
  if (OUT_OF_MEMORY.test(message)) {
    return failure('decoded_too_large', 'The source needs more memory to decode than is allowed.')
  }
  if (error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError) {
    return { ...failure('internal_error', 'Reading the source failed.'), cause: error.stack ?? message }
  }
  if (message.includes(SEVERAL_UNITS)) return failureOf(severalUnits(), format, columns)
  if (message.includes(OUT_OF_RANGE)) return outOfRange()
  if (FATAL.test(message)) {
    const code = format === 'parquet' ? 'parquet_unreadable' : 'source_unreadable'
    return { ...failure(code, 'The source is damaged: reading it failed.'), fatal: true }
  }
  if (format === 'csv') return csvFailure(message, columns)
  if (format === 'parquet') return parquetFailure(message)
  if (/^(Conversion|Out of Range) Error/.test(message)) return outOfRange()
  return failure('source_unreadable', 'The source could not be read to its end.')
}

const OUT_OF_MEMORY = /Out of Memory|bad.?alloc|could not allocate|Allocation failure|buffer allocation failed/i
/** After one of these the whole database answers nothing any more. */
const FATAL = /INTERNAL Error|FATAL Error|database has been invalidated/

function outOfRange(): Failure {
  return failure('timestamp_out_of_range', 'A timestamp lies outside the range that can be used.')
}

function parquetFailure(message: string): Failure {
  if (/encrypt/i.test(message)) return failure('parquet_encrypted', 'Encrypted Parquet files cannot be read.')
  if (/unsupported compression codec/i.test(message)) {
    return failure('parquet_unsupported_codec', 'The file uses a compression that is not supported.')
  }
  if (/^Conversion Error/.test(message) && /TIMESTAMP|DATE|out of range/i.test(message)) {
    return outOfRange()
  }
  return failure('parquet_unreadable', 'The Parquet file is damaged: it could not be read to its end.')
}

function csvFailure(message: string, columns: readonly string[]): Failure {
  const line = /Line:? (\d+)/i.exec(message)?.[1]
  const facts = line === undefined ? {} : { line: Number(line) }
  const where = line === undefined ? '' : ` in line ${line}`
  const fed = /Error when converting column "f(\d+)"/.exec(message)?.[1]
  const column = fed === undefined ? undefined : columns[Number(fed)]
  if (fed !== undefined || /Could not convert string|Conversion Error/.test(message)) {
    const named = column === undefined ? 'A value' : `A value of column ${show(column)}`
    const all = column === undefined ? facts : { ...facts, column: column.slice(0, 200) }
    return { ...failure('type_mismatch', `${named}${where} is not of the column's type.`), facts: all }
  }
  if (/Maximum line size/i.test(message))
    return { ...failure('decoded_too_large', `A line is too long${where}.`), facts }
  return { ...failure('source_unreadable', `The CSV text could not be read${where}.`), facts }
}

function failure(code: ErrorCode, detail: string): Failure {
  return { code, detail, facts: {}, fatal: false, cause: null }
}

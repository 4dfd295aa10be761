import { DeepWatchError } from '../errors.ts'
import { type Format, type Sample, startsWith } from './format.ts'

/** Magic, one footer byte at least, footer length, magic. */
const SMALLEST = 13

/**
 * Apache Parquet. Both marks and the footer's length are checked before any parser sees the file;
 * everything behind them is the reading process's business.
 *
 * Folder partitioning is never detected by the database: partition values are bound as plain lists, so
 * that a folder above a data root cannot add columns.
 */
export const parquet: Format = {
  id: 'parquet',
  title: 'Parquet',
  mediaTypes: ['application/vnd.apache.parquet', 'application/x-parquet', 'application/parquet'],
  extensions: ['.parquet'],
  matches: ({ head }) => startsWith(head, 'PAR1') || startsWith(head, 'PARE'),
  check,
  relation: 'read_parquet($files, hive_partitioning = false, union_by_name = false)',
}

function check({ head, tail, bytes }: Sample): void {
  const end = tail.length === 8 ? String.fromCharCode(...tail.subarray(4)) : ''
  if (startsWith(head, 'PARE') || (startsWith(head, 'PAR1') && end === 'PARE')) {
    throw new DeepWatchError('parquet_encrypted', 'Encrypted Parquet files cannot be read.')
  }
  const footer = tail.length === 8 ? new DataView(tail.buffer, tail.byteOffset, 8).getUint32(0, true) : 0
  const whole = bytes >= SMALLEST && startsWith(head, 'PAR1') && end === 'PAR1' && footer > 0 && footer <= bytes - 12
  if (!whole) {
    throw new DeepWatchError('not_parquet', 'The file is not a whole Parquet file: its marks or its footer are wrong.')
  }
}

import { describe, expect, test } from 'vitest'
import { DeepWatchError } from '../../src/errors.ts'
import { HEAD_BYTES, type Sample, TAIL_BYTES } from '../../src/formats/format.ts'
import { formats } from '../../src/formats/formats.ts'
import { recognise, recogniseFile } from '../../src/formats/recognise.ts'

function sample(content: string | Uint8Array): Sample {
  const bytes = Buffer.from(content)
  return { head: bytes.subarray(0, HEAD_BYTES), tail: bytes.subarray(-TAIL_BYTES), bytes: bytes.length }
}

function verdict(run: () => { id: string }): string {
  try {
    return run().id
  } catch (error) {
    if (error instanceof DeepWatchError) return error.code
    throw error
  }
}

/** A file with Parquet's marks and a footer length that fits; what lies between is for the reading process. */
function parquetLike(start = 'PAR1', end = 'PAR1', footer = 4): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32LE(footer)
  return Buffer.concat([Buffer.from(start), Buffer.from('data'), Buffer.from('foot'), length, Buffer.from(end)])
}

const arrowLike = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x10, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8])
const longText = `a,b\n${'é'.repeat(HEAD_BYTES)}`

describe('recognition by content', () => {
  const cases: [string, string | Uint8Array, string][] = [
    ['Parquet', parquetLike(), 'parquet'],
    ['the mark alone', 'PAR1', 'not_parquet'],
    ['two marks and nothing between', 'PAR1PAR1', 'not_parquet'],
    ['two marks around a length of zero', parquetLike('PAR1', 'PAR1', 0), 'not_parquet'],
    ['a footer longer than the file', parquetLike('PAR1', 'PAR1', 1000), 'not_parquet'],
    ['a footer length with the top bit set', parquetLike('PAR1', 'PAR1', 0xffffffff), 'not_parquet'],
    ['Parquet cut at its end', parquetLike().subarray(0, 15), 'not_parquet'],
    ['an encrypted footer', parquetLike('PARE', 'PARE'), 'parquet_encrypted'],
    ['an encrypted end behind a plain start', parquetLike('PAR1', 'PARE'), 'parquet_encrypted'],
    ['an Arrow stream', arrowLike, 'arrow'],
    ['an Arrow file', 'ARROW1\0\0garbage', 'unknown_format'],
    ['NDJSON', '{"a":1}\n{"a":2}\n', 'ndjson'],
    ['NDJSON behind white space', ' \r\n\t{"a":1}', 'ndjson'],
    ['NDJSON behind a byte order mark', '\ufeff{"a":1}', 'ndjson'],
    ['an answer of Prometheus', '{"status": "success", "data": {"resultType": "matrix", "result": []}}', 'prometheus'],
    ['NDJSON with a status', '{"status":"success","n":1}\n', 'ndjson'],
    ['a JSON array', '[{"a":1}]', 'unknown_format'],
    ['CSV', 'a,b\n1,2\n', 'csv'],
    ['CSV behind a byte order mark', '\ufeffa,b\n1,2\n', 'csv'],
    ['CSV whose sample ends within a character', longText, 'csv'],
    ['UTF-16', Buffer.from('\ufeffa,b\n1,2\n', 'utf16le'), 'unknown_format'],
    ['bytes that are not UTF-8', Buffer.from([0x61, 0x2c, 0xff, 0x0a]), 'unknown_format'],
    ['a ZIP archive', 'PK\x03\x04rest', 'unknown_format'],
    ['an ELF program', '\x7fELFrest', 'unknown_format'],
    ['a PNG image', Buffer.from('89504e470d0a1a0a', 'hex'), 'unknown_format'],
    ['a page of HTML', '<!doctype html><p>hello', 'unknown_format'],
    ['only white space', '  \n\n ', 'unknown_format'],
  ]
  test.each(cases)('%s', (_, content, expected) => {
    expect(verdict(() => recognise(sample(content), null))).toBe(expected)
    expect(verdict(() => recognise(sample(content), 'application/octet-stream'))).toBe(expected)
  })
})

describe('recognition with a declared type', () => {
  const cases: [string, string, string | Uint8Array, string][] = [
    ['agrees', 'application/vnd.apache.parquet', parquetLike(), 'parquet'],
    ['agrees in another case and with parameters', 'Text/CSV; charset=UTF-8', 'a,b\n1,2', 'csv'],
    ['contradicts: CSV as Parquet', 'application/vnd.apache.parquet', 'a,b\n1,2', 'format_mismatch'],
    ['contradicts: Parquet as CSV', 'text/csv', parquetLike(), 'format_mismatch'],
    ['contradicts: NDJSON as CSV', 'text/csv', '{"a":1}', 'format_mismatch'],
    ['contradicts: CSV as NDJSON', 'application/x-ndjson', 'a,b\n1,2', 'format_mismatch'],
    ['contradicts: garbage as Arrow', 'application/vnd.apache.arrow.stream', '\x00\x01\x02', 'format_mismatch'],
    ['garbage as Parquet is not Parquet', 'application/vnd.apache.parquet', '\x00\x01\x02', 'not_parquet'],
    ['is not known', 'application/xml', 'a,b\n1,2', 'unsupported_media_type'],
    ['is empty', '', 'a,b\n1,2', 'unsupported_media_type'],
    ['has trailing text', 'text/csv garbage', 'a,b\n1,2', 'unsupported_media_type'],
    ['has a tab and text', 'text/csv\ta', 'a,b\n1,2', 'unsupported_media_type'],
    ['names another charset', 'text/csv; charset=utf-16', 'a,b\n1,2', 'unsupported_media_type'],
  ]
  test.each(cases)('%s', (_, declared, content, expected) => {
    expect(verdict(() => recognise(sample(content), declared))).toBe(expected)
  })
})

describe('recognition of a named file', () => {
  test('content beats the name, but what calls itself Parquet must be it', () => {
    expect(verdict(() => recogniseFile(sample(parquetLike()), 'x.csv'))).toBe('parquet')
    expect(verdict(() => recogniseFile(sample('{"a":1}'), 'x.csv'))).toBe('ndjson')
    expect(verdict(() => recogniseFile(sample('a,b\n1,2'), 'x'))).toBe('csv')
    for (const content of ['a,b\n1,2', 'PK\x03\x04', '\x7fELF', '{"a":1}']) {
      expect(verdict(() => recogniseFile(sample(content), 'x.Parquet'))).toBe('not_parquet')
    }
  })

  test('every format has its own media types and endings', () => {
    expect(formats.length).toBe(5)
    const types = formats.flatMap((format) => format.mediaTypes)
    expect(new Set(types).size).toBe(types.length)
    const endings = formats.flatMap((format) => format.extensions)
    expect(new Set(endings).size).toBe(endings.length)
  })
})

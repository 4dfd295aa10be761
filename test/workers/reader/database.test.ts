import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDatabase } from '../../../workers/reader/database/database.ts'
import { type FeedType, writeNumbers } from '../../../workers/reader/database/feed.ts'
import { chunksOf, rowsOf, runStatement, streamStatement } from '../../../workers/reader/database/query.ts'
import { CHUNK_ROWS, isValid } from '../../../workers/reader/database/vectors.ts'
import { freshFolder } from '../../endings.ts'

const start = { threads: 2, memoryBytes: 512 * 1024 * 1024, exchange: false }

test('nothing of a file stays in memory once it is read', async () => {
  const { connection } = await openDatabase(start)
  const path = join(await freshFolder(), 'read.parquet')
  await runStatement(
    connection,
    `copy (select random() as a, random() as b from range(300000)) to '${path}' (format parquet)`,
  )
  const read = await streamStatement(connection, `select a, b from read_parquet('${path}')`, {})
  let rows = 0
  for await (const chunk of chunksOf(read)) rows += chunk.rows
  expect(rows).toBe(300_000)
  const kept = `select memory_usage_bytes from duckdb_memory() where tag = 'EXTERNAL_FILE_CACHE'`
  expect(await rowsOf(connection, kept)).toEqual([[0]])
})

test('what is written into the vectors of a chunk is read from them, null by null', async () => {
  const { connection, feed } = await openDatabase(start)
  const rows = CHUNK_ROWS + 5
  const isNull = (row: number): boolean => row % 7 === 3
  const textOf = (row: number): string => 'ž'.repeat(row % 20)
  const columns: { name: string; type: FeedType }[] = [
    { name: 'd', type: 'DOUBLE' },
    { name: 'b', type: 'BOOLEAN' },
    { name: 't', type: 'VARCHAR' },
  ]
  feed.yields(columns, () => {
    let first = 0
    return {
      next(target, wanted) {
        const from = first
        target.rows = Math.min(CHUNK_ROWS, rows - from)
        first += target.rows
        wanted.forEach((number, at) => {
          const each = (row: number) => (isNull(from + row) ? null : from + row)
          if (number === 0) writeNumbers(target, at, new Float64Array(CHUNK_ROWS), each)
          else if (number === 1) {
            writeNumbers(target, at, new Uint8Array(CHUNK_ROWS), (row) =>
              each(row) === null ? null : (from + row) % 2 === 0,
            )
          } else target.writeTexts(at, (row) => (isNull(from + row) ? null : textOf(from + row)))
        })
      },
    }
  })
  const sql = 'select t, d, b, (d + 1)::bigint as i from fed()'
  const whole = await rowsOf(connection, sql)
  const expected = Array.from({ length: rows }, (_, row) =>
    isNull(row) ? [null, null, null, null] : [textOf(row), row, row % 2 === 0, row + 1],
  )
  expect(whole).toEqual(expected)
  const stream = await streamStatement(connection, sql, {})
  let row = 0
  for await (const chunk of chunksOf(stream)) {
    const texts = chunk.texts(0)
    const [doubles, flags, integers] = [chunk.doubles(1), chunk.bytes(2, 1), chunk.bigints(3)]
    for (let at = 0; at < chunk.rows; at++, row++) {
      for (let column = 0; column < 4; column++) expect(isValid(chunk.validity(column), at)).toBe(!isNull(row))
      if (isNull(row)) continue
      texts.at(at)
      const text = Buffer.from(texts.bytes.subarray(texts.start, texts.end)).toString('utf8')
      expect([text, doubles[at], flags[at] === 1, Number(integers[at])]).toEqual(expected[row])
    }
  }
  expect(row).toBe(rows)
})

test('values are bound by their own types, a statement names some of them, and none may be missing', async () => {
  const { connection } = await openDatabase(start)
  const sql = 'select typeof($d), typeof($i), typeof($t), typeof($l), $l::varchar'
  const values = { d: 3, i: 4n, t: 'x', l: ['a', null], unused: 1 }
  expect(await rowsOf(connection, sql, values)).toEqual([['DOUBLE', 'BIGINT', 'VARCHAR', 'VARCHAR[]', '[a, NULL]']])
  await expect(rowsOf(connection, 'select $absent', values)).rejects.toThrow('has no value')
})

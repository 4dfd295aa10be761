import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openDatabase } from '../../../workers/reader/database/database.ts'
import { freshFolder } from '../../endings.ts'

test('nothing of a file stays in memory once it is read', async () => {
  const { connection } = await openDatabase({ threads: 2, memoryBytes: 512 * 1024 * 1024, exchange: false })
  const path = join(await freshFolder(), 'read.parquet')
  const write = `copy (select random() as a, random() as b from range(300000)) to '${path}' (format parquet)`
  await connection.run(write)
  const read = await connection.stream(`select a, b from read_parquet('${path}')`)
  let rows = 0
  for (let chunk = await read.next(); chunk !== null; chunk = await read.next()) rows += chunk.rows
  expect(rows).toBe(300_000)
  const kept = `select memory_usage_bytes from duckdb_memory() where tag = 'EXTERNAL_FILE_CACHE'`
  expect(await connection.rows(kept)).toEqual([[0]])
})

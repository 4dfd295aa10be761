/** Parquet as other people's writers make it, compared with a reader that has nothing to do with ours. */
import { copyFileSync } from 'node:fs'
import { join } from 'node:path'
import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet'
import { compressors } from 'hyparquet-compressors'
import { describe, expect, test } from 'vitest'
import type { Column } from '../../src/reader/types.ts'
import { planColumns } from '../../src/telemetry/telemetry.ts'
import { type Bench, readAll, sql, startBench, writeParquet } from './tools.ts'

/** Files of test/fixtures, which parquet.py there makes. */
const fixtures = new URL('../../../test/fixtures/', import.meta.url)

function fixture(bench: Bench, name: string): string {
  copyFileSync(new URL(name, fixtures), join(bench.root, name))
  return name
}

type Rows = Record<string, unknown>[]

async function independent(name: string): Promise<Rows> {
  const file = await asyncBufferFromFile(new URL(name, fixtures).pathname)
  return (await parquetReadObjects({ file, compressors })) as Rows
}

/** A value of the other reader as ours gives it: a double, NaN for null. */
function asDouble(value: unknown): number {
  if (value === null || value === undefined) return Number.NaN
  return value instanceof Date ? value.getTime() * 1000 : Number(value)
}

function isSame(ours: number, theirs: number): boolean {
  // The other reader's decimals are products with a power of ten.
  const isClose = Math.abs(ours - theirs) <= 2 ** -51 * Math.abs(theirs)
  return Object.is(ours, theirs) || ours === theirs || isClose
}

/** The values of one column, as doubles or as text. */
async function read(bench: Bench, file: string, { name, kind }: Column): Promise<unknown[]> {
  const session = await bench.open(file)
  const isTime = kind === 'timestamp'
  const query = isTime
    ? { features: [], timestamp: name, extra: { timestamp: true } }
    : kind === 'number' || kind === 'boolean'
      ? { features: [{ name, kind }] }
      : { features: [], extra: { row: true }, include: [name] }
  const { lanes, text } = await readAll(session, query)
  await session.close()
  return text === null ? (lanes[0] as number[]) : text.map((each) => Object.values(JSON.parse(`{${each}}`))[0])
}

describe('every type and encoding of another writer', () => {
  test.each(['every-type-v1.parquet', 'every-type-v2.parquet', 'int96.parquet'])(
    '%s is read to the value, or refused by name before a row is read',
    async (name) => {
      const bench = await startBench()
      const theirs = await independent(name)
      const session = await bench.open(fixture(bench, name))
      const { columns } = await session.describe()
      await session.close()
      const refused = columns.filter(({ refusal }) => refusal !== undefined).map((column) => column.name)
      // What the database cannot decode, or decodes wrongly, and nothing else.
      const isUnread = (column: string) =>
        /^decimal(40|76)/.test(column) || (/BYTE_STREAM_SPLIT$/.test(column) && !/^(float|double)\./.test(column))
      expect(refused).toEqual(columns.map((column) => column.name).filter(isUnread))
      for (const column of columns) {
        if (column.refusal !== undefined) continue
        const ours = await read(bench, name, column)
        const wrong = ours.filter((value, row) => {
          const other = theirs[row]?.[column.name]
          if (typeof value === 'number') return !isSame(value, asDouble(other))
          return value !== (other ?? null)
        })
        expect({ column: column.name, rows: ours.length, wrong }).toEqual({
          column: column.name,
          rows: theirs.length,
          wrong: [],
        })
      }
    },
  )

  test('a column that cannot be decoded is refused wherever it is used, and does not matter elsewhere', async () => {
    const bench = await startBench()
    const name = fixture(bench, 'every-type-v1.parquet')
    const session = await bench.open(name)
    const description = await session.describe()
    const long = { code: 'type_mismatch', facts: { column: 'decimal40_2.PLAIN', file: name } }
    const split = { code: 'parquet_unreadable', facts: { column: 'int64.BYTE_STREAM_SPLIT', file: name } }
    expect(() => planColumns(description, { timestamp: 'time_us.PLAIN' })).toThrow(/which is not read/)
    const asked = { timestamp: 'time_us.PLAIN', features: ['double.PLAIN', 'decimal40_2.PLAIN'] }
    expect(() => planColumns(description, asked)).toThrow(expect.objectContaining(long))
    const entity = { timestamp: 'time_us.PLAIN', entity: 'int64.BYTE_STREAM_SPLIT', features: ['double.PLAIN'] }
    expect(() => planColumns(description, entity)).toThrow(expect.objectContaining(split))
    const without = planColumns(description, { timestamp: 'time_us.PLAIN', features: ['double.PLAIN'] })
    expect(without.features.map((column) => column.name)).toEqual(['double.PLAIN'])
    expect(without.warnings.filter(({ code }) => code === 'unusable_column')).not.toEqual([])
    const echoed = readAll(session, { features: [], extra: { row: true }, include: ['decimal40_2.PLAIN'] })
    await expect(echoed).rejects.toMatchObject(long)
    await session.close()
  })
})

describe('numbers that a double does not hold', () => {
  test.each([
    ['small', 'i', false],
    ['up to 2^53', 'i + 9007199254740892', false],
    ['beyond, and exact', '(i + 4503599627370496) * 2', false],
    ['beyond', 'i + 9007199254740993', true],
    ['one of them', 'case when i = 77 then -9007199254740993 else i end', true],
    ['null', 'case when false then i end', false],
    ['unsigned', '18446744073709551615::ubigint - i::ubigint', true],
    ['unsigned, exact', '9223372036854775808::ubigint', false],
    ['time', 'make_timestamp(9007199254740993 + i)', false],
    ['decimal', '(i + 12345678901.4567)::decimal(18, 4)', false],
    ['decimal of many digits', '(i::decimal(38, 10) + 12345678901234567890.1234567891)', true],
    ['whole decimal', '(i::decimal(38, 0) + 9007199254740993)', true],
  ])('are told apart by their values: %s', async (_, expression, isRounded) => {
    const bench = await startBench()
    const rows = `select ${expression.replaceAll(/\bi\b/g, 'i::bigint')} as v from range(100) t(i)`
    await writeParquet(join(bench.root, 'a.parquet'), rows)
    await writeParquet(join(bench.root, 'b.parquet'), `${rows.replace(' as v', ' as v, 1 as w')}`, 'compression gzip')
    for (const files of ['a.parquet', ['b.parquet', 'a.parquet']]) {
      const session = await bench.open(files)
      const column = (await session.describe()).columns.find(({ name }) => name === 'v')
      expect(column?.precisionLoss).toBe(isRounded)
      await session.close()
    }
  })

  test('no statistics are no reason to warn', async () => {
    const bench = await startBench()
    const session = await bench.open(fixture(bench, 'every-type-v2.parquet'))
    const rounded = (await session.describe()).columns.filter(({ precisionLoss }) => precisionLoss)
    const types = [...new Set(rounded.map(({ name }) => name.split('.')[0]))]
    expect(types).toEqual(['int64', 'uint64', 'decimal18_6', 'decimal19_4', 'decimal38_10'])
    await session.close()
  })

  test('scoring does not look for them', async () => {
    const bench = await startBench()
    await writeParquet(join(bench.root, 'a.parquet'), 'select 9007199254740993 as v')
    const session = await bench.open('a.parquet', { types: [{ name: 'v', kind: 'number' }] })
    expect((await session.describe()).columns[0]?.precisionLoss).toBe(false)
    await session.close()
  })
})

describe('the index that pandas writes', () => {
  const note = (columns: unknown): string => JSON.stringify({ index_columns: columns, columns: [] })

  async function written(
    bench: Bench,
    name: string,
    pandas: string,
    query = 'select 1 as id, 2.5 as cpu',
  ): Promise<string> {
    await sql(
      `copy (${query}) to '${join(bench.root, name)}' (format parquet, kv_metadata {pandas: '${pandas.replaceAll("'", "''")}'})`,
    )
    return name
  }

  test('is not learnt unless it is asked for', async () => {
    const bench = await startBench()
    const session = await bench.open(await written(bench, 'a.parquet', note(['id'])))
    const description = await session.describe()
    const plan = planColumns(description, {})
    expect(plan.features.map(({ name }) => name)).toEqual(['cpu'])
    expect(plan.warnings).toMatchObject([{ code: 'index_column', columns: ['id'] }])
    expect(plan.warnings[0]?.message).toContain('features')
    const asked = planColumns(description, { features: ['id', 'cpu'] })
    expect([asked.features.map(({ name }) => name), asked.warnings]).toEqual([['id', 'cpu'], []])
    expect(planColumns(description, { entity: 'id' }).warnings).toEqual([])
    await session.close()
  })

  test('is the time where it is one, and may be in one file of several', async () => {
    const bench = await startBench()
    const time = await written(bench, 't.parquet', note(['t']), `select timestamp '2026-01-01' as t, 2.5 as cpu`)
    const session = await bench.open(time)
    expect(planColumns(await session.describe(), {})).toMatchObject({ roles: { timestamp: 't' }, warnings: [] })
    await session.close()
    await writeParquet(join(bench.root, 'plain.parquet'), 'select 2.5 as cpu')
    const several = await bench.open(['plain.parquet', await written(bench, 'a.parquet', note(['id']))])
    expect((await several.describe()).columns).toMatchObject([{ name: 'cpu' }, { name: 'id', index: true }])
    await several.close()
  })

  test.each([
    ['a range', note([{ kind: 'range', name: 'id', start: 0, stop: 1, step: 1 }])],
    ['not JSON', '{"index_columns": ["id"'],
    ['no object', 'null'],
    ['deep', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
    ['numbers', note([0, null, ['id']])],
    ['a text', note('id')],
    ['a prototype', '{"__proto__": {"index_columns": ["id"]}}'],
    ['longer than is looked at', note(['id', 'x'.repeat(5 * 1024 * 1024)])],
  ])('says nothing when it is %s', async (_, pandas) => {
    const bench = await startBench()
    const session = await bench.open(await written(bench, 'a.parquet', pandas))
    expect((await session.describe()).columns.map(({ name, index }) => [name, index ?? false])).toEqual([
      ['id', false],
      ['cpu', false],
    ])
    await session.close()
    expect(bench.deaths).toEqual([])
  })
})

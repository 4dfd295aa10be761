/** Parquet files of one source whose schemas differ. */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { FeatureColumn } from '../../src/reader/types.ts'
import { planColumns, planScoring } from '../../src/telemetry/telemetry.ts'
import { type Bench, codeOf, readAll, sql, startBench, writeParquet } from './tools.ts'

const number = (name: string): FeatureColumn => ({ name, kind: 'number' })
const SECOND = 1_000_000
const start = Date.UTC(2026, 0, 1) * 1000

/** Writes a file per query and gives their names. */
async function files(bench: Bench, queries: readonly string[], options = ''): Promise<string[]> {
  const names = queries.map((_, index) => `${String.fromCharCode(97 + index)}.parquet`)
  for (const [index, query] of queries.entries()) {
    await writeParquet(join(bench.root, names[index] as string), query, options)
  }
  return names
}

describe('numbers of several types', () => {
  test.each([
    ['1::int', '2.5::double', 'DOUBLE', [1, 2.5], '1,2.5'],
    ['2.5::double', '1::int', 'DOUBLE', [2.5, 1], '2.5,1'],
    ['16777217::bigint', '2.5::float', 'DOUBLE', [16_777_217, 2.5], '16777217,2.5'],
    ['2.5::float', '1e300::double', 'DOUBLE', [2.5, 1e300], '2.5,1e+300'],
    ['1::tinyint', '9007199254740993::bigint', 'BIGINT', [1, 2 ** 53], '1,9007199254740993'],
    ['200::utinyint', '-3::tinyint', 'SMALLINT', [200, -3], '200,-3'],
    ['4000000000::uinteger', '-3::int', 'BIGINT', [4e9, -3], '4000000000,-3'],
    ['18446744073709551615::ubigint', '-3::bigint', 'DECIMAL(20,0)', [2 ** 64, -3], '18446744073709551615,-3'],
    ['true', '7::int', 'INTEGER', [1, 7], '1,7'],
    ['1.25::decimal(5, 2)', '7::bigint', 'DOUBLE', [1.25, 7], '1.25,7'],
    ['1.25::decimal(5, 2)', '1.125::decimal(9, 3)', 'DOUBLE', [1.25, 1.125], '1.25,1.125'],
  ])('%s and %s are one of %s', async (one, other, type, values, echo) => {
    const bench = await startBench()
    const session = await bench.open(await files(bench, [`select ${one} as v`, `select ${other} as v`]))
    expect((await session.describe()).columns).toMatchObject([{ name: 'v', type, kind: 'number' }])
    const read = await readAll(session, { features: [number('v')], include: ['v'] })
    expect(read.lanes).toEqual([values])
    expect(read.text?.map((each) => each.replace('"v":', '')).join()).toBe(echo)
    await session.close()
  })
})

describe('a column that some files lack', () => {
  test('is null there, wherever it stands and whichever file comes first', async () => {
    const bench = await startBench()
    const names = await files(bench, [
      'select 1::int as cpu, 10 as mem',
      `select 'x' as note, 20 as mem, 2.5::double as cpu, 3 as gpu`,
      'select 5::double as gpu, 3::int as cpu',
    ])
    const nan = Number.NaN
    for (const [list, expected] of [
      [
        names,
        [
          [1, 2.5, 3],
          [10, 20, nan],
          [nan, 3, 5],
        ],
      ],
      [
        [...names].reverse(),
        [
          [3, 2.5, 1],
          [nan, 20, 10],
          [5, 3, nan],
        ],
      ],
    ] as const) {
      const session = await bench.open(list)
      const description = await session.describe()
      expect(description.rows).toBe(3)
      expect(
        planColumns(description, {})
          .features.map(({ name }) => name)
          .sort(),
      ).toEqual(['cpu', 'gpu', 'mem'])
      const read = await readAll(session, { features: ['cpu', 'mem', 'gpu'].map(number) })
      expect(read.lanes).toEqual(expected)
      await session.close()
    }
  })

  test('is missing where its type is that of nulls alone', async () => {
    const bench = await startBench()
    copyFileSync(new URL('../../../test/fixtures/nulls.parquet', import.meta.url), join(bench.root, 'nulls.parquet'))
    const alone = await bench.open('nulls.parquet')
    expect((await alone.describe()).columns.map(({ name, type, kind }) => [name, type, kind])).toEqual([
      ['cpu', 'DOUBLE', 'number'],
      ['gpu', 'null', 'number'],
      ['note', 'null', 'number'],
    ])
    await alone.close()
    const [other] = await files(bench, [`select 3::double as cpu, 4 as gpu, 'x' as note`])
    for (const [list, gpu, notes] of [
      [
        ['nulls.parquet', other!],
        [Number.NaN, Number.NaN, 4],
        [null, null, 'x'],
      ],
      [
        [other!, 'nulls.parquet'],
        [4, Number.NaN, Number.NaN],
        ['x', null, null],
      ],
    ] as const) {
      const session = await bench.open(list)
      const { columns } = await session.describe()
      expect(columns.map(({ name, type }) => [name, type])).toEqual([
        ['cpu', 'DOUBLE'],
        ['gpu', 'INTEGER'],
        ['note', 'VARCHAR'],
      ])
      const read = await readAll(session, { features: [number('gpu')], include: ['note'] })
      expect(read.lanes).toEqual([gpu])
      expect(read.text?.map((each) => JSON.parse(`{${each}}`).note)).toEqual(notes)
      await session.close()
    }
  })

  test('names that differ in case alone are refused, naming both', async () => {
    const bench = await startBench()
    const session = await bench.open(await files(bench, ['select 1 as cpu', 'select 2 as CPU']))
    await expect(session.describe()).rejects.toMatchObject({
      code: 'duplicate_column',
      facts: { columns: ['cpu', 'CPU'] },
    })
    await session.close()
  })
})

describe('times of several types', () => {
  const rows = 5_000
  /** `rows` rows from the file's own seconds on, a second apart. */
  const times = (index: number, type: string): string =>
    `select i as n, (timestamp '2026-01-01' + to_seconds(i))::${type} as ts from range(${rows}) t(j), (select j + ${index * rows} as i)`
  const zoned = (index: number): string => times(index, 'timestamptz')
  const mixed = [
    times(0, 'timestamp'),
    times(1, 'timestamp_ns'),
    zoned(2),
    times(3, 'timestamp_ms'),
    times(4, 'timestamp_s'),
  ]

  test.each([
    ['with a zone', mixed, 'TIMESTAMP WITH TIME ZONE'],
    ['without', mixed.filter((_, index) => index !== 2), 'TIMESTAMP'],
    ['of nanoseconds alone', [times(0, 'timestamp_ns'), `${times(1, 'timestamp_ns')} where n > 0`], 'TIMESTAMP_NS'],
  ])('%s are instants, in windows and spans as well', async (_, queries, type) => {
    const bench = await startBench()
    // Columns in another order make schemas that differ.
    const names = await files(
      bench,
      queries.map((query, index) => (index === 1 ? `select ts, n from (${query})` : query)),
      'row_group_size 2048',
    )
    const session = await bench.open(names)
    const { columns } = await session.describe()
    expect(columns.find(({ name }) => name === 'ts')).toMatchObject({ type, kind: 'timestamp' })
    const all = await readAll(session, {
      features: [number('n')],
      timestamp: 'ts',
      extra: { timestamp: true, row: true },
    })
    const n = all.lanes[0] as number[]
    expect(all.rows).toBe(names.length * rows)
    expect(all.lanes[1]).toEqual(n.map((_, index) => index))
    expect(all.lanes[2]).toEqual(n.map((i) => start + i * SECOND))
    expect(await session.span({ timestamp: 'ts' })).toEqual({
      rows: n.length,
      rowsInWindow: n.length,
      from: start,
      to: start + Math.max(...n) * SECOND,
    })
    const [low, high] = [rows - 777, rows + 1_234]
    const window = { from: start + low * SECOND, to: start + high * SECOND, exclude: [] }
    const inside = n.flatMap((i, index) => (i >= low && i < high ? [[i, index] as const] : []))
    const part = await readAll(session, { features: [number('n')], timestamp: 'ts', window, extra: { row: true } })
    expect(part.lanes).toEqual([inside.map(([i]) => i), inside.map(([, index]) => index)])
    expect(await session.span({ timestamp: 'ts', window })).toMatchObject({
      rowsInWindow: inside.length,
      from: start + low * SECOND,
      to: start + Math.min(high - 1, Math.max(...n)) * SECOND,
    })
    await session.close()
  })

  test('a date is its midnight in UTC', async () => {
    const bench = await startBench()
    const list = await files(bench, [
      `select date '2026-01-01' as ts`,
      `select timestamptz '2026-01-01 06:00:00+05' as ts`,
    ])
    const session = await bench.open(list)
    const read = await readAll(session, { features: [], timestamp: 'ts', extra: { timestamp: true }, include: ['ts'] })
    expect(read.lanes).toEqual([[start, start + 3_600 * SECOND]])
    expect(read.text).toEqual(['"ts":"2026-01-01T00:00:00Z"', '"ts":"2026-01-01T01:00:00Z"'])
    await session.close()
  })
})

describe('a column about which files disagree', () => {
  const refused = (one: string, other: string) => ({
    code: 'type_mismatch',
    facts: { column: 'c', files: ['a.parquet', 'b.parquet'], types: [one, other] },
  })

  test.each([
    ['1::bigint', `'x'`, 'BIGINT', 'VARCHAR', ['"c":"1"', '"c":"x"']],
    [`'1'`, '1::double', 'VARCHAR', 'DOUBLE', ['"c":"1"', '"c":"1.0"']],
    ['1::int', `timestamp '2026-01-01'`, 'INTEGER', 'TIMESTAMP', ['"c":"1"', '"c":"2026-01-01 00:00:00"']],
    [
      `'2026-01-01'`,
      `timestamp '2026-01-01'`,
      'VARCHAR',
      'TIMESTAMP',
      ['"c":"2026-01-01"', '"c":"2026-01-01 00:00:00"'],
    ],
    ['true', `'true'`, 'BOOLEAN', 'VARCHAR', ['"c":"true"', '"c":"true"']],
    ['1.5::double', '[1]', 'DOUBLE', 'INTEGER[]', ['"c":"1.5"', '"c":"[1]"']],
  ])('is refused where it is used, and text where it is shown: %s and %s', async (one, other, here, there, shown) => {
    const bench = await startBench()
    const list = await files(bench, [`select 1 as cpu, ${one} as c`, `select ${other} as c, 2.5 as cpu`])
    const session = await bench.open(list)
    const description = await session.describe()
    const problem = expect.objectContaining(refused(here, there))
    expect(() => planColumns(description, {})).toThrow(problem)
    for (const role of ['timestamp', 'entity', 'label', 'features']) {
      const named = { features: ['cpu'], [role]: role === 'features' ? ['c'] : 'c' }
      expect(() => planColumns(description, named)).toThrow(problem)
    }
    const without = planColumns(description, { features: ['cpu'] })
    expect(without.features.map(({ name }) => name)).toEqual(['cpu'])
    expect(without.warnings).toMatchObject([{ code: 'unusable_column', columns: ['c'] }])
    const model = { features: [{ name: 'c', kind: 'number' }], roles: { timestamp: null, entity: null, label: null } }
    expect(() => planScoring(description, model as never, {})).toThrow(problem)
    const read = await readAll(session, { features: [number('cpu')], include: ['c'] })
    expect([read.lanes, read.text]).toEqual([[[1, 2.5]], shown])
    await expect(session.entities({ entity: 'c', max: 10 })).rejects.toMatchObject(refused(here, there))
    await session.close()
  })

  test('does not matter where no training would have used it', async () => {
    const bench = await startBench()
    const session = await bench.open(await files(bench, [`select 1 as cpu, 'x' as c`, `select 2 as cpu, ['x'] as c`]))
    const description = await session.describe()
    expect(planColumns(description, {}).warnings).toMatchObject([{ code: 'ignored_columns', columns: ['c'] }])
    expect(() => planColumns(description, { entity: 'c' })).toThrow(
      expect.objectContaining(refused('VARCHAR', 'VARCHAR[]')),
    )
    await session.close()
  })

  test('tells files of one name apart by their folders, and names that run wild run nothing', async () => {
    const bench = await startBench()
    const name = `a"'; drop`
    for (const [day, value] of [
      ['2026-01-01', '1'],
      ['2026-01-02', `'x'`],
    ] as const) {
      mkdirSync(join(bench.root, 'days', `day=${day}`), { recursive: true })
      const column = `"${name.replaceAll('"', '""')}"`
      await writeParquet(join(bench.root, 'days', `day=${day}`, 'p.parquet'), `select 7 as cpu, ${value} as ${column}`)
    }
    const session = await bench.open('days')
    const { columns } = await session.describe()
    expect(columns.map((column) => column.name)).toEqual(['cpu', name, 'day'])
    expect(columns[1]?.refusal?.facts).toMatchObject({
      column: name,
      files: ['day=2026-01-01/p.parquet', 'day=2026-01-02/p.parquet'],
    })
    const read = await readAll(session, { features: [number('cpu')], include: ['day', name] })
    expect(read.text?.map((each) => JSON.parse(`{${each}}`))).toEqual([
      { day: '2026-01-01', [name]: '1' },
      { day: '2026-01-02', [name]: 'x' },
    ])
    await session.close()
  })
})

describe('a source of files that differ', () => {
  test('is bounded by all of its columns', async () => {
    const bench = await startBench({ maxCells: 2_500, maxColumns: 4 })
    const list = await files(bench, [
      'select 1 as a from range(500)',
      'select 2.5 as a, 1 as b, 1 as c from range(500)',
      'select 1 as d, 1 as e',
      'select 1 as f, 1 as g, 1 as h, 1 as i, 1 as j',
    ])
    for (const [names, code] of [
      [[0, 1], 'decoded_too_large'],
      [[0, 2], 'none'],
      [[1, 2], 'too_many_columns'],
      [[0, 3], 'too_many_columns'],
    ] as const) {
      const session = await bench.open(names.map((index) => list[index] as string))
      expect([names, await codeOf(session.describe())]).toEqual([names, code])
      await session.close()
    }
  })

  test.each([1, 4])('is scored row by row in its order, with %i threads', async (threads) => {
    const bench = await startBench({ threads })
    const outputPath = join(bench.home, 'out.parquet')
    const scoresPath = join(bench.home, 'scores')
    const rows = 90_000
    const third = (index: number) => `from range(${(index * rows) / 3}, ${((index + 1) * rows) / 3}) t(i)`
    const list = await files(
      bench,
      [
        `select i as n, 1::int as v, 'x' as odd ${third(0)}`,
        `select 'late' as note, 2.5::double as v, i::int as n, 5 as odd ${third(1)}`,
        `select i::double as n, i as file_row_number ${third(2)}`,
      ],
      'row_group_size 2048',
    )
    writeFileSync(scoresPath, Buffer.from(Float64Array.from({ length: rows }, (_, i) => i).buffer))
    for (const names of [list, list.slice(0, 2)]) {
      const count = (names.length * rows) / 3
      writeFileSync(scoresPath, Buffer.from(Float64Array.from({ length: count }, (_, i) => i).buffer))
      const session = await bench.open(names, { outputPath })
      const written = await session.writeScored({ scoresPath, threshold: 0.5, anomaliesOnly: false })
      expect(written.rows).toBe(count)
      const [counts] = await sql(
        `select count(*) filter (n = anomaly_score and n = rn), count(*) filter (note = 'late'), count(v), count(*) filter (odd in ('x', '5'))
        from (select *, row_number() over () - 1 as rn from '${outputPath}')`,
      )
      expect(counts).toEqual([String(count), String(rows / 3), String((2 * rows) / 3), String((2 * rows) / 3)])
      let bytes = 0
      for await (const part of session.arrowScored({ scoresPath, threshold: 0.5, anomaliesOnly: false }))
        bytes += part.length
      expect(bytes).toBeGreaterThan(8 * count)
      await session.close()
      rmSync(outputPath)
    }
  })
})

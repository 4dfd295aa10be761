import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { blockRows } from '../../src/kernels/block.ts'
import type { FeatureColumn } from '../../src/reader/types.ts'
import { type Bench, codeOf, readAll, sql, startBench, tryReading, writeParquet } from './tools.ts'

const number = (name: string): FeatureColumn => ({ name, kind: 'number' })
const SECOND = 1_000_000
const start = Date.UTC(2025, 0, 1) * 1000

/** Names of Parquet files of one bench, so that tests share its warm process. */
async function one(bench: Bench, query: string, options = '', name = 'x.parquet'): Promise<string> {
  await writeParquet(join(bench.root, name), query, options)
  return name
}

describe('the feature stream', () => {
  test('order is kept over many row groups and two threads, and every block but the last is full', async () => {
    const bench = await startBench()
    const rows = 300_000
    await one(bench, `select i as n, i * 0.5 as half from range(${rows}) t(i)`, 'row_group_size 2048')
    const session = await bench.open('x.parquet')
    const read = await readAll(session, { features: [number('half'), number('n')], extra: { row: true } })
    expect(read.rows).toBe(rows)
    const full = blockRows(3)
    expect(read.blocks).toEqual(
      [...Array(Math.floor(rows / full)).fill(full), rows % full].filter((count) => count > 0),
    )
    for (let row = 0; row < rows; row++) {
      if (read.lanes[0]?.[row] !== row * 0.5 || read.lanes[1]?.[row] !== row || read.lanes[2]?.[row] !== row) {
        expect.fail(`row ${row}`)
      }
    }
    await session.close()
  })

  test('numbers arrive exactly: nulls and NaN as NaN, infinities, extremes, every type', async () => {
    const bench = await startBench()
    const doubles = [
      'null',
      `'nan'::double`,
      `'inf'::double`,
      `'-inf'::double`,
      '1e308::double',
      '-1e308::double',
      '5e-324::double',
      '-0.0::double',
      '0.1::double',
    ]
    await one(bench, `select unnest([${doubles.join(', ')}]) as x`)
    const session = await bench.open('x.parquet')
    const { lanes } = await readAll(session, { features: [number('x')] })
    const expected = [
      Number.NaN,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      1e308,
      -1e308,
      5e-324,
      -0,
      0.1,
    ]
    expect(lanes[0]?.map((value, i) => Object.is(value, expected[i]))).toEqual(expected.map(() => true))
    await session.close()
    await one(
      bench,
      `select 1::tinyint a, 200::utinyint b, -3::smallint c, 60000::usmallint d, 5::integer e, 4e9::uinteger f, 9007199254740993::bigint g,
        18446744073709551615::ubigint h, 0.1::float i, 1.25::decimal(9, 2) j, true k, false l, null::boolean m, 7::bigint n`,
      '',
      'types.parquet',
    )
    const types = await bench.open('types.parquet')
    const { columns } = await types.describe()
    const features = columns.map(({ name, kind }) => ({ name, kind: kind as 'number' | 'boolean' }))
    const read = await readAll(types, { features, include: columns.map(({ name }) => name) })
    expect(read.lanes.map(([value]) => value)).toEqual([
      1,
      200,
      -3,
      60000,
      5,
      4e9,
      2 ** 53,
      2 ** 64,
      Math.fround(0.1),
      1.25,
      1,
      0,
      Number.NaN,
      7,
    ])
    expect(columns.filter(({ precisionLoss }) => precisionLoss).map(({ name }) => name)).toEqual(['g', 'h'])
    const echo = JSON.parse(`{${read.text?.[0]}}`) as Record<string, unknown>
    expect(read.text?.[0]).toContain('"g":9007199254740993,"h":18446744073709551615')
    expect([echo['j'], echo['k'], echo['m']]).toEqual([1.25, true, null])
    await types.close()
  })

  test.each([
    ['timestamp', `make_timestamp(i * 1000000 + 7)`],
    ['timestamptz', `make_timestamptz(i * 1000000 + 7)`],
    ['date', `date '2026-01-01' + i::integer`],
    ['timestamp_ns', `make_timestamp_ns(i * 1000000007)`],
    ['timestamp_ms', `make_timestamp(i * 1000000)::timestamp_ms`],
    ['timestamp, some null', `case when i % 3 > 0 then make_timestamp(i * 1000000) end`],
    ['timestamp, all null', `null::timestamp`],
    ['timestamp, before 1970', `make_timestamp(-i * 1000000)`],
  ])('the span of a whole source is that of a window without bounds: %s', async (_, expression) => {
    const bench = await startBench()
    await writeParquet(join(bench.root, 'all.parquet'), `select ${expression} as ts, i from range(5000) t(i)`)
    const session = await bench.open('all.parquet')
    const whole = await session.span({ timestamp: 'ts' })
    // Rows without a time are in no window.
    const { rowsInWindow, ...windowed } = await session.span({
      timestamp: 'ts',
      window: { from: null, to: null, exclude: [] },
    })
    expect(whole).toEqual({ ...windowed, rowsInWindow: 5000 })
    expect(rowsInWindow).toBeLessThanOrEqual(5000)
    await session.close()
  })

  test.each(['infinity', '-infinity'])('a time of %s is refused, wherever it stands', async (time) => {
    const bench = await startBench()
    const rows = `select case when i = 2500 then '${time}'::timestamp else make_timestamp(i) end as ts from range(5000) t(i)`
    await writeParquet(join(bench.root, 'endless.parquet'), rows)
    const session = await bench.open('endless.parquet')
    expect(await codeOf(session.span({ timestamp: 'ts' }))).toBe('timestamp_out_of_range')
    await session.close()
  })

  test('a window narrows by time, positions stay those of the whole source, and rows without a time are in no window', async () => {
    const bench = await startBench()
    const query = `select i as n, case when i % 100 = 0 then null else timestamp '2025-01-01' + to_seconds(i) end as ts from range(20000) t(i)`
    await one(bench, query, 'row_group_size 2048', '1.parquet')
    await one(
      bench,
      `select * from (${query.replaceAll('t(i)', 't(j)').replaceAll('(j)', '(j), (select j + 20000 as i)')})`,
      'row_group_size 2048',
      '2.parquet',
    )
    const window = {
      from: start + 50 * SECOND,
      to: start + 30_000 * SECOND,
      exclude: [
        { from: start + 100 * SECOND, to: start + 15_000 * SECOND },
        { from: null, to: start + 60 * SECOND },
      ],
    }
    const expected = Array.from({ length: 40_000 }, (_, i) => i).filter(
      (i) => i % 100 !== 0 && i >= 60 && i < 30_000 && !(i >= 100 && i < 15_000),
    )
    for (const files of ['1.parquet', ['1.parquet', '2.parquet']]) {
      const session = await bench.open(files)
      const here = expected.filter((i) => i < 20_000 * (typeof files === 'string' ? 1 : 2))
      const read = await readAll(session, {
        features: [number('n')],
        timestamp: 'ts',
        window,
        extra: { row: true, timestamp: true },
      })
      expect(read.lanes[0]).toEqual(here)
      expect(read.lanes[1]).toEqual(here)
      expect(read.lanes[2]).toEqual(here.map((i) => start + i * SECOND))
      const span = await session.span({ timestamp: 'ts', window })
      expect(span).toEqual({
        rows: 20_000 * (typeof files === 'string' ? 1 : 2),
        rowsInWindow: here.length,
        from: start + (here[0] as number) * SECOND,
        to: start + (here.at(-1) as number) * SECOND,
      })
      expect(await session.span({})).toMatchObject({ from: null, to: null, rowsInWindow: span.rows })
      const nothing = { from: 0, to: 1, exclude: [] }
      expect((await readAll(session, { features: [number('n')], timestamp: 'ts', window: nothing })).rows).toBe(0)
      expect(await session.span({ timestamp: 'ts', window: nothing })).toMatchObject({
        rowsInWindow: 0,
        from: null,
        to: null,
      })
      await session.close()
    }
  })

  test('a column called like a virtual one is a plain column, and positions are right all the same', async () => {
    const bench = await startBench()
    await one(
      bench,
      `select i + 7 as file_row_number, 'f' as filename, i as file_index, i as rowid, timestamp '2025-01-01' + to_seconds(i) as ts from range(5000) t(i)`,
    )
    const session = await bench.open('x.parquet')
    const window = { from: start + 4_000 * SECOND, to: null, exclude: [] }
    const names = ['file_row_number', 'file_index', 'rowid']
    const read = await readAll(session, {
      features: names.map(number),
      timestamp: 'ts',
      window,
      extra: { row: true },
      include: ['filename'],
    })
    expect(read.lanes.map(([value]) => value)).toEqual([4007, 4000, 4000, 4000])
    expect(read.text?.[0]).toBe('"filename":"f"')
    await session.close()
  })

  test('times of every type are read in order, and those beyond exact numbers are refused', async () => {
    const bench = await startBench()
    const cases: [string, number | string][] = [
      [`timestamp '1969-12-31 23:59:59.999999'`, -1],
      [`timestamp '1700-01-01'`, Date.UTC(1700, 0, 1) * 1000],
      [`timestamp '2200-01-01'`, Date.UTC(2200, 0, 1) * 1000],
      [`timestamptz '2025-01-01 02:00:00+02'`, start],
      [`date '2025-01-01'`, start],
      [`timestamp_s '2025-01-01 00:00:01'`, start + SECOND],
      [`timestamp_ms '2025-01-01 00:00:00.001'`, start + 1000],
      [`timestamp_ns '2025-01-01 00:00:00.000001999'`, start + 1],
      ['null::timestamp', Number.NaN],
      [`timestamp '9999-12-31'`, 'timestamp_out_of_range'],
      [`timestamp 'infinity'`, 'timestamp_out_of_range'],
      [`timestamp '0044-03-15 (BC) 12:00:00'`, 'timestamp_out_of_range'],
    ]
    const list = cases.map(([value], i) => `${value} as t${i}`).join(', ')
    await one(bench, `select 1 as n, ${list}`)
    const session = await bench.open('x.parquet')
    for (let i = 0; i < cases.length; i++) {
      const query = { features: [number('n')], timestamp: `t${i}`, extra: { timestamp: true } }
      const expected = cases[i]?.[1]
      if (typeof expected === 'string')
        expect([cases[i]?.[0], await codeOf(readAll(session, query))]).toEqual([cases[i]?.[0], expected])
      else expect([cases[i]?.[0], (await readAll(session, query)).lanes[1]?.[0]]).toEqual([cases[i]?.[0], expected])
    }
    expect(await codeOf(readAll(session, { features: [number('n')], extra: { timestamp: true } }))).toBe(
      'missing_timestamp',
    )
    expect(
      await codeOf(readAll(session, { features: [number('n')], timestamp: 'n', extra: { timestamp: true } })),
    ).toBe('type_mismatch')
    expect(await codeOf(readAll(session, { features: [number('absent')] }))).toBe('unknown_column')
    expect(await codeOf(readAll(session, { features: [number('t0')] }))).toBe('type_mismatch')
    await session.close()
  })

  test('labels are true, false, 0, 1 and null', async () => {
    const bench = await startBench()
    await one(
      bench,
      `select i as n, i % 2 = 0 as flag, (i % 2)::integer as bit, case when i = 4000 then 2 else 1 end as wrong, case when i = 1 then null else 0 end as gap from range(5000) t(i)`,
    )
    const session = await bench.open('x.parquet')
    const lane = async (label: string): Promise<number[] | undefined> =>
      (await readAll(session, { features: [number('n')], extra: { label } })).lanes[1]?.slice(0, 3)
    expect(await lane('flag')).toEqual([1, 0, 1])
    expect(await lane('bit')).toEqual([0, 1, 0])
    expect(await lane('gap')).toEqual([0, Number.NaN, 0])
    await expect(lane('wrong')).rejects.toMatchObject({
      code: 'type_mismatch',
      facts: { column: 'wrong', firstRows: [4000] },
    })
    await session.close()
  })

  test('no more blocks are out than the reader allows, and leaving a stream early ends the session alone', async () => {
    const bench = await startBench()
    await one(bench, 'select i as n from range(2000000) t(i)')
    const session = await bench.open('x.parquet')
    const blocks = session.features({ features: [number('n')] })
    const held = []
    for (let i = 0; i < 6; i++) held.push((await blocks.next()).value)
    let arrived = false
    const next = blocks.next().then((step) => {
      arrived = true
      return step
    })
    await new Promise((later) => setTimeout(later, 100))
    expect(arrived).toBe(false)
    held[0]?.release()
    held[0]?.release()
    expect((await next).value?.first).toBe(6 * blockRows(1))
    await blocks.return?.()
    expect(await codeOf(session.describe())).toBe('internal_error')
    await session.close()
    expect(await tryReading(bench, 'x.parquet')).toBe('none')
    expect(bench.deaths).toEqual([])
  })
})

describe('names from outside', () => {
  test('calls that come together are answered one after the other, and each in full', async () => {
    const bench = await startBench()
    await one(bench, `select i as n, timestamp '2025-01-01' + interval (i) second as ts from range(200000) t(i)`)
    const session = await bench.open('x.parquet')
    const [streamed, span, again, described] = await Promise.all([
      readAll(session, { features: [number('n')] }),
      session.span({ timestamp: 'ts' }),
      readAll(session, { features: [number('n')] }),
      session.describe(),
    ])
    expect([streamed.rows, span.rows, again.rows, described.rows]).toEqual([200_000, 200_000, 200_000, 200_000])
    expect(again.lanes[0]).toEqual(streamed.lanes[0])
    // One that fails does not keep the next from its turn.
    const failing = session.span({ timestamp: 'nowhere' })
    const after = session.span({ timestamp: 'ts' })
    expect(await codeOf(failing)).toBe('unknown_column')
    expect((await after).rows).toBe(200_000)
    await session.close()
  })

  test('hostile column names come back byte for byte and run nothing', async () => {
    const bench = await startBench()
    const names = [
      ' ',
      'a b',
      'x'.repeat(10_000),
      'new\nline',
      "quo'te",
      'dou"ble',
      '";--',
      `"; copy (select 1) to '/tmp/x'; --`,
      '{{columns}}',
      '$files',
      'select',
      'file_name',
      '\u202ertl',
      'é',
      'e\u0301',
      '🚀',
      '__proto__',
      'constructor',
      '<img src=x onerror=alert(1)>',
      'hour_sin',
      'c0',
      'r',
      's',
      'score',
      'here',
      'there',
      'not anomaly_score',
      '1',
      'a.b',
      'a"."b',
      '\\',
      '\t',
    ]
    const list = names.map((name, i) => `${i} as "${name.replaceAll('"', '""')}"`).join(', ')
    await one(bench, `select ${list}`)
    const session = await bench.open('x.parquet', { outputPath: join(bench.home, 'out.parquet') })
    const { columns } = await session.describe()
    expect(columns.map(({ name }) => name)).toEqual(names)
    const read = await readAll(session, { features: names.map(number), include: names })
    expect(read.lanes.map(([value]) => value)).toEqual(names.map((_, i) => i))
    const echo = JSON.parse(`{${read.text?.[0]}}`) as Record<string, unknown>
    expect(Object.keys(echo).sort()).toEqual([...names].sort())
    const scoresPath = join(bench.home, 'scores')
    writeFileSync(scoresPath, Buffer.from(Float64Array.of(0.75).buffer))
    await session.writeScored({ scoresPath, threshold: 0.5, anomaliesOnly: false })
    await session.close()
    const again = await sql(`select name from parquet_schema('${join(bench.home, 'out.parquet')}') order by column_id`)
    expect(again.slice(1).map(([name]) => name)).toEqual([...names, 'anomaly_score', 'is_anomaly'])
  })

  test('random names survive quoting', async () => {
    const bench = await startBench()
    const unit = fc.oneof(
      fc.constantFrom('"', "'", ';', '--', '\n', '{{', '}}', '$', '\\', '/*', '%'),
      fc.string({ unit: 'binary', maxLength: 4 }),
    )
    const name = fc
      .array(unit, { minLength: 1, maxLength: 6 })
      .map((parts) =>
        parts
          .join('')
          .replaceAll('\0', '')
          .replaceAll(/\p{Surrogate}/gu, '?'),
      )
      .filter((text) => text !== '')
    const fold = (text: string): string => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase())
    const names = [...new Map(fc.sample(name, { numRuns: 400, seed: 7 }).map((text) => [fold(text), text])).values()]
    expect(names.length).toBeGreaterThan(200)
    const list = names.map((text, i) => `${i} as "${text.replaceAll('"', '""')}"`).join(', ')
    await one(bench, `select ${list}`)
    const session = await bench.open('x.parquet')
    expect((await session.describe()).columns.map((column) => column.name)).toEqual(names)
    const read = await readAll(session, { features: names.map(number) })
    expect(read.lanes.map(([value]) => value)).toEqual(names.map((_, i) => i))
    await session.close()
  })

  test('echoed values are JSON whatever they are', async () => {
    const bench = await startBench()
    const text = `quote" back\\ new\nline tab\t nul${'\\u0001'} é🚀 </script>`
    await one(
      bench,
      `select 1 as n, ${`'${text.replaceAll("'", "''")}'`} as text, null::varchar as nothing, 'nan'::double as nan, 1e300::double as big, 12345678901234567890::hugeint as huge,
      [1, 2] as list, {'a': 'x'} as struct, '\\xAA'::blob as blob, timestamp '2025-01-01 01:02:03.5' as ts, timestamptz '2025-01-01 00:00:00+02' as tz, date '2025-01-01' as day, time '01:02:03' as time, timestamp 'infinity' as never`,
    )
    const session = await bench.open('x.parquet')
    const { columns } = await session.describe()
    const read = await readAll(session, { features: [number('n')], include: columns.map(({ name }) => name) })
    expect(JSON.parse(`{${read.text?.[0]}}`)).toEqual({
      n: 1,
      text,
      nothing: null,
      nan: null,
      big: 1e300,
      huge: Number('12345678901234567890'),
      list: '[1, 2]',
      struct: "{'a': x}",
      blob: '\\xAA',
      ts: '2025-01-01T01:02:03.5Z',
      tz: '2024-12-31T22:00:00Z',
      day: '2025-01-01T00:00:00Z',
      time: '01:02:03',
      never: null,
    })
    await session.close()
  })
})

describe('a scored source', () => {
  test('leaves as Parquet in the order of the source, with our own columns replaced', async () => {
    const bench = await startBench()
    const rows = 150_000
    await one(
      bench,
      `select i as n, 'old' as Anomaly_Score, i::varchar as text, [i] as list, true as is_anomaly, timestamp '2025-01-01' + to_seconds(i) as ts from range(${rows}) t(i)`,
      'row_group_size 4096',
    )
    const outputPath = join(bench.home, 'out.parquet')
    const scoresPath = join(bench.home, 'scores')
    const session = await bench.open('x.parquet', { outputPath })
    writeFileSync(
      scoresPath,
      Buffer.from(Float64Array.from({ length: rows }, (_, i) => (i === 5 ? Number.NaN : i / rows)).buffer),
    )
    const written = await session.writeScored({ scoresPath, threshold: 0.5, anomaliesOnly: false })
    expect(written).toEqual({ rows, bytes: statSync(outputPath).size })
    const names = await sql(`select column_name from (describe select * from '${outputPath}')`)
    expect(names.flat()).toEqual(['n', 'text', 'list', 'ts', 'anomaly_score', 'is_anomaly'])
    const [counts] =
      await sql(`select count(*) filter (anomaly_score = n / ${rows}), count(*) filter (anomaly_score is null), count(*) filter (is_anomaly), count(*) filter (n = rn), bool_and(is_anomaly is not null)
      from (select *, row_number() over () - 1 as rn from '${outputPath}')`)
    expect(counts).toEqual([String(rows - 1), '1', String(rows / 2 - 1), String(rows), true])
    const window = { from: start + 1_000 * SECOND, to: start + 2_000 * SECOND, exclude: [] }
    writeFileSync(scoresPath, Buffer.from(Float64Array.from({ length: 1_000 }, (_, i) => i / 1_000).buffer))
    rmSync(outputPath)
    const some = await session.writeScored({
      scoresPath,
      threshold: 0.9895,
      timestamp: 'ts',
      window,
      anomaliesOnly: true,
    })
    expect(some.rows).toBe(10)
    expect(await sql(`select min(n), max(n), count(*) from '${outputPath}'`)).toEqual([['1990', '1999', '10']])
    await session.close()
  })

  test.each([1, 2, 4])('keeps its order with %i threads, in one file or several', async (threads) => {
    const bench = await startBench({ threads })
    const outputPath = join(bench.home, 'out.parquet')
    const scoresPath = join(bench.home, 'scores')
    const rows = 400_000
    writeFileSync(scoresPath, Buffer.from(Float64Array.from({ length: rows }, (_, i) => i).buffer))
    const select = (from: number, to: number) => `select i as n from range(${from}, ${to}) t(i)`
    await one(bench, select(0, rows), 'row_group_size 2048')
    await one(bench, select(0, 130_001), 'row_group_size 2048', 'a.parquet')
    await one(bench, select(130_001, 130_002), '', 'b.parquet')
    await one(bench, select(130_002, rows), '', 'c.parquet')
    // A real column of the name leaves the position to be counted.
    await one(bench, `select i as n, 7 as file_row_number from range(${rows}) t(i)`, '', 'd.parquet')
    for (const names of [['x.parquet'], ['a.parquet', 'b.parquet', 'c.parquet'], ['d.parquet']]) {
      const session = await bench.open(names, { outputPath })
      const written = await session.writeScored({ scoresPath, threshold: 0.5, anomaliesOnly: false })
      expect(written.rows).toBe(rows)
      const [counts] = await sql(
        `select count(*) filter (n = anomaly_score and n = rn) from (select *, row_number() over () - 1 as rn from '${outputPath}')`,
      )
      expect([names, ...counts!]).toEqual([names, String(rows)])
      await session.close()
      rmSync(outputPath)
    }
  })

  test.each([
    [1, 50],
    [4, 50],
  ])('with %i threads and %i columns leaves within little memory', async (threads, columns) => {
    const bench = await startBench({ threads, memoryBytes: 128 * 2 ** 20 })
    const rows = 250_000
    const values = Array.from({ length: columns }, (_, i) => `random() as c${i}`)
    await one(bench, `select ${values.join(', ')} from range(${rows})`)
    const outputPath = join(bench.home, 'out.parquet')
    const scoresPath = join(bench.home, 'scores')
    writeFileSync(scoresPath, Buffer.alloc(8 * rows))
    const session = await bench.open('x.parquet', { outputPath })
    const written = await session.writeScored({ scoresPath, threshold: 0.5, anomaliesOnly: false })
    expect(written.rows).toBe(rows)
    // Threads are as many as before for what comes next.
    expect((await readAll(session, { features: [number('c0')], extra: {} })).rows).toBe(rows)
    await session.close()
    expect(bench.deaths).toEqual([])
  })

  test.each([1, 2])('is refused when there are fewer or more scores than rows, with %i threads', async (threads) => {
    const bench = await startBench({ threads })
    await one(bench, 'select i as n from range(5000) t(i)')
    const scoresPath = join(bench.home, 'scores')
    for (const count of [0, 4_999, 5_001, 10_000]) {
      writeFileSync(scoresPath, Buffer.alloc(8 * count))
      const session = await bench.open('x.parquet', { outputPath: join(bench.home, 'out.parquet') })
      expect([count, await codeOf(session.writeScored({ scoresPath, threshold: 0.5, anomaliesOnly: false }))]).toEqual([
        count,
        'internal_error',
      ])
      await session.close()
    }
  })

  test('leaves as an Arrow stream that ends properly only when it is complete', async () => {
    const arrow = await import('apache-arrow')
    const bench = await startBench()
    const rows = 100_000
    await one(
      bench,
      `select i as n, case when i % 3 = 0 then null else i / 2 end as x, i % 2 = 0 as flag, case when i % 7 = 0 then null else 'text ' || i end as text, timestamp '2025-01-01' + to_seconds(i) as ts, date '2025-01-01' + (i % 100)::integer as day, [i] as list, 1.5::decimal(5, 2) as money, i::utinyint as small from range(200) t(j), range(${rows / 200}) u(k), (select j * ${rows / 200} + k as i)`.replace(
        'i::utinyint',
        '(i % 250)::utinyint',
      ),
    )
    const scoresPath = join(bench.home, 'scores')
    writeFileSync(
      scoresPath,
      Buffer.from(Float64Array.from({ length: rows }, (_, i) => (i % 10 === 0 ? Number.NaN : i / rows)).buffer),
    )
    const session = await bench.open('x.parquet')
    const collect = async (anomaliesOnly: boolean, threshold: number): Promise<Buffer> => {
      const parts: Uint8Array[] = []
      for await (const part of session.arrowScored({ scoresPath, threshold, anomaliesOnly })) parts.push(part)
      return Buffer.concat(parts)
    }
    const bytes = await collect(false, 0.5)
    expect(bytes.subarray(-8).toString('hex')).toBe('ffffffff00000000')
    const table = arrow.tableFromIPC(bytes)
    expect(table.numRows).toBe(rows)
    expect(table.schema.fields.map((field) => `${field.name}:${field.type}`)).toEqual([
      'n:Int64',
      'x:Float64',
      'flag:Bool',
      'text:Utf8',
      'ts:Timestamp<MICROSECOND>',
      'day:Date32<DAY>',
      'list:Utf8',
      'money:Decimal[38e+2]',
      'small:Uint8',
      'anomaly_score:Float64',
      'is_anomaly:Bool',
    ])
    for (const i of [0, 1, 3, 7, 65_535, 65_536, 99_999]) {
      const row = table.get(i)?.toJSON() as Record<string, unknown>
      expect(row['n']).toBe(BigInt(i))
      expect(row['x']).toBe(i % 3 === 0 ? null : i * 0.5)
      expect(row['flag']).toBe(i % 2 === 0)
      expect(row['text']).toBe(i % 7 === 0 ? null : `text ${i}`)
      expect(Number(row['ts'])).toBe(start / 1000 + i * 1000)
      expect(Number(row['day'])).toBe(start / 1000 + (i % 100) * 86_400_000)
      expect([row['list'], (row['money'] as Uint32Array)[0], row['small']]).toEqual([`[${i}]`, 150, i % 250])
      expect(row['anomaly_score']).toBe(i % 10 === 0 ? null : i / rows)
      expect(row['is_anomaly']).toBe(i % 10 !== 0 && i / rows > 0.5)
    }
    expect(arrow.tableFromIPC(await collect(true, 2)).numRows).toBe(0)
    await session.close()
    writeFileSync(scoresPath, Buffer.alloc(8 * (rows - 1)))
    const short = await bench.open('x.parquet')
    const parts: Uint8Array[] = []
    const failing = (async () => {
      for await (const part of short.arrowScored({ scoresPath, threshold: 0, anomaliesOnly: false })) parts.push(part)
    })()
    expect(await codeOf(failing)).toBe('internal_error')
    expect(Buffer.concat(parts).subarray(-8).toString('hex')).not.toBe('ffffffff00000000')
    await short.close()
  })
})

describe('the one rule about outputs', () => {
  test('a session writes its output path and nothing else', async () => {
    const bench = await startBench()
    await one(bench, 'select 1 as n')
    const scoresPath = join(bench.home, 'scores')
    writeFileSync(scoresPath, Buffer.alloc(8))
    const before = readFileSync(join(bench.root, 'x.parquet'))
    mkdirSync(join(bench.home, 'elsewhere'))
    const session = await bench.open('x.parquet')
    await expect(session.writeScored({ scoresPath, threshold: 0.5, anomaliesOnly: false })).rejects.toThrow()
    await session.close()
    expect(readFileSync(join(bench.root, 'x.parquet'))).toEqual(before)
  })
})

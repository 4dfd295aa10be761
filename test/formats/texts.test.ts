import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ColumnType, FeatureColumn } from '../../src/reader/types.ts'
import { type Bench, codeOf, readAll, startBench, tryReading } from '../reader/tools.ts'

let bench: Bench

beforeAll(async () => {
  bench = await startBench()
})

const number = (name: string): FeatureColumn => ({ name, kind: 'number' })

/** Kinds by name, or the error's code. */
async function kindsOf(name: string, content: string | Uint8Array, types?: readonly ColumnType[]): Promise<unknown> {
  const session = await bench.open(bench.file(name, content), types === undefined ? {} : { types })
  try {
    const { columns } = await session.describe()
    return Object.fromEntries(columns.map((column) => [column.name, column.kind]))
  } finally {
    await session.close()
  }
}

/** The error of reading these numeric columns with the types of a model. */
async function refusal(name: string, content: string | Uint8Array, types: readonly ColumnType[]): Promise<unknown> {
  const session = await bench.open(bench.file(name, content), { types })
  try {
    const features = types.map(({ name: column, kind }) => ({ name: column, kind }))
    await readAll(session, { features })
    return 'none'
  } catch (error) {
    const { code, facts } = error as { code: string; facts: unknown }
    return { code, facts }
  } finally {
    await session.close()
  }
}

describe('CSV', () => {
  test('columns are what all of their values are, and empty means missing', async () => {
    const content =
      '\ufeffn,flag,ts,text,empty,mixed\r\n1,true,2025-01-01T00:00:00Z,a,,1\r\n,FALSE,2025-01-01 00:00:01,"b,""c""",,x\r\n2.5e3,,2025-01-02,,,\r\n'
    expect(await kindsOf('kinds.csv', content)).toEqual({
      n: 'number',
      flag: 'boolean',
      ts: 'timestamp',
      text: 'text',
      empty: 'number',
      mixed: 'text',
    })
    const session = await bench.open('kinds.csv')
    const read = await readAll(session, {
      features: [number('n'), { name: 'flag', kind: 'boolean' }, number('empty')],
      timestamp: 'ts',
      extra: { timestamp: true, row: true },
      include: ['text'],
    })
    const start = Date.UTC(2025, 0, 1) * 1000
    expect(read.lanes).toEqual([
      [1, Number.NaN, 2500],
      [1, 0, Number.NaN],
      [Number.NaN, Number.NaN, Number.NaN],
      [0, 1, 2],
      [start, start + 1_000_000, start + 86_400_000_000],
    ])
    expect(read.text).toEqual(['"text":"a"', '"text":"b,\\"c\\""', '"text":null'])
    await session.close()
  })

  test('numbers are read to the last bit and special values as what they are', async () => {
    const texts = [
      '0.1',
      '0.30000000000000004',
      '5e-324',
      '1.7976931348623157e308',
      '-0.0',
      'nan',
      'inf',
      '-inf',
      '9007199254740993',
      '123456789012345678901234567890',
      '+1',
    ]
    const session = await bench.open(bench.file('numbers.csv', `x\n${texts.join('\n')}\n`), {
      types: [{ name: 'x', kind: 'number' }],
    })
    const expected = [
      0.1,
      0.30000000000000004,
      5e-324,
      Number.MAX_VALUE,
      -0,
      Number.NaN,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      2 ** 53,
      1.2345678901234568e29,
      1,
    ]
    const { lanes } = await readAll(session, { features: [number('x')] })
    expect(lanes[0]?.map((value, i) => Object.is(value, expected[i]))).toEqual(texts.map(() => true))
    await session.close()
  })

  test.each([
    ['semicolons', ';'],
    ['tabs', '\t'],
    ['bars', '|'],
  ])('the delimiter is found in the header: %s', async (_, delimiter) => {
    const content = `${['a', '"b,c"', 'd'].join(delimiter)}\n${['1', '2', '3'].join(delimiter)}`
    expect(await kindsOf('delimiter.csv', content)).toEqual({ a: 'number', 'b,c': 'number', d: 'number' })
  })

  const broken: [string, string | Uint8Array, string][] = [
    ['a ragged line, too long', 'a,b\n1,2\n3,4,5\n', 'source_unreadable'],
    ['a ragged line, too short', 'a,b\n1,2\n3\n4,5\n', 'source_unreadable'],
    ['cut in the middle of a line', 'a,b,c\n1,2,3\n4,5', 'source_unreadable'],
    ['a quote never closed', 'a,b\n1,"2\n3,4\n', 'source_unreadable'],
    ['a quote never closed in the header', 'a,"b\n1,2\n', 'source_unreadable'],
    ['text behind a closing quote', 'a,b\n1,"2"3\n', 'source_unreadable'],
    ['the same name twice', 'a,a\n1,2\n', 'duplicate_column'],
    ['the same name in another case', 'a,A\n1,2\n', 'duplicate_column'],
    ['no header: decimals', '1.5,2.5\n3.5,4.5\n', 'invalid_column_name'],
    ['no header: whole numbers', '1,2\n3,4\n', 'invalid_column_name'],
    ['no header: a time and a host', '2025-01-01T00:00:00Z,web,1\n2025-01-01T00:00:01Z,web,2\n', 'invalid_column_name'],
    ['a line of many megabytes', `a,b\n1,${'x'.repeat(6_000_000)}\n`, 'decoded_too_large'],
    ['a header of many megabytes', `${'x'.repeat(6_000_000)},b\n1,2\n`, 'decoded_too_large'],
  ]
  test.each(broken)('refuses %s', async (_, content, code) => {
    expect(await tryReading(bench, bench.file('broken.csv', content))).toBe(code)
  })

  test('bytes that are not UTF-8 are refused where they are read', async () => {
    const content = Buffer.concat([Buffer.from(`a,b\n${'1,x\n'.repeat(30_000)}3,`), Buffer.from([0xff, 0x0a])])
    const session = await bench.open(bench.file('bytes.csv', content))
    expect(await codeOf(readAll(session, { features: [number('a')], include: ['b'] }))).toBe('source_unreadable')
    await session.close()
  })

  test('a value that is not of its column is named with its line', async () => {
    const types = [{ name: 'n "1"', kind: 'number' }] as const
    expect(await refusal('late.csv', `"n ""1""",b\n${'1,2\n'.repeat(50_000)}oops,2\n1,2\n`, types)).toEqual({
      code: 'type_mismatch',
      facts: { line: 50_002, column: 'n "1"', value: 'oops' },
    })
    expect(await refusal('comma.csv', 'n "1";b\n1,5;2\n', types)).toMatchObject({
      code: expect.stringMatching(/type_mismatch|source_unreadable/),
    })
    const lines = `b,n\n1,"2"\n"two\nlines",3\n\n\n"a ""quoted"" word",${'x'.repeat(100)}\n`
    expect(await refusal('quoted.csv', lines, [{ name: 'n', kind: 'number' }])).toEqual({
      code: 'type_mismatch',
      facts: { line: 7, column: 'n', value: `${'x'.repeat(40)}…` },
    })
  })

  test('at scoring the model says what its columns are, and the rest is found out', async () => {
    const content = 'n,flag,ts\n1,1,2025-01-01\n2,0,2025-01-02\n'
    expect(await kindsOf('typed.csv', content, [{ name: 'flag', kind: 'boolean' }])).toEqual({
      n: 'number',
      flag: 'boolean',
      ts: 'timestamp',
    })
    expect(await refusal('typed.csv', 'flag\nmaybe\n', [{ name: 'flag', kind: 'boolean' }])).toMatchObject({
      code: 'type_mismatch',
      facts: { line: 2 },
    })
  })

  test('order is kept by two threads, in a window and without one', async () => {
    const rows = 300_000
    const start = Date.UTC(2025, 0, 1)
    const lines = Array.from({ length: rows }, (_, i) => `${i},${new Date(start + i * 1000).toISOString()},"a, ${i}"`)
    const session = await bench.open(bench.file('long.csv', `n,ts,text\n${lines.join('\n')}\n`))
    for (const from of [0, 100_000]) {
      const window = from === 0 ? undefined : { from: (start + from * 1000) * 1000, to: null, exclude: [] }
      const read = await readAll(session, { features: [number('n')], timestamp: 'ts', window, extra: { row: true } })
      expect(read.rows).toBe(rows - from)
      expect(read.lanes[0]?.findIndex((value, i) => value !== from + i)).toBe(-1)
      expect(read.lanes[1]?.findIndex((value, i) => value !== from + i)).toBe(-1)
    }
    await session.close()
  })

  test('a header alone is a source without rows', async () => {
    const session = await bench.open(bench.file('header.csv', 'a,b\n'))
    expect((await session.describe()).columns.map(({ name }) => name)).toEqual(['a', 'b'])
    expect((await readAll(session, { features: [number('a')] })).rows).toBe(0)
    expect(await session.span({})).toEqual({ rows: 0, rowsInWindow: 0, from: null, to: null })
    await session.close()
  })

  test('several files are one source by the names of their columns', async () => {
    bench.file('1.csv', 'a,b\n1,2\n')
    bench.file('2.csv', 'a,b\n3,4\n')
    bench.file('3.csv', 'b,a\n3,4\n')
    const session = await bench.open(['2.csv', '1.csv'])
    expect((await readAll(session, { features: [number('b')] })).lanes).toEqual([[4, 2]])
    await session.close()
    bench.file('many.csv', `a,b\n${'5,6\n'.repeat(50_000)}`)
    const inOrder = await bench.open(['many.csv', '1.csv'])
    expect((await readAll(inOrder, { features: [number('b')] })).lanes[0]!.indexOf(2)).toBe(50_000)
    await inOrder.close()
    bench.file('4.csv', 'c;b\n5;6\n')
    const differing = await bench.open(['1.csv', '3.csv', '4.csv', '2.csv'])
    const read = await readAll(differing, { features: ['a', 'b', 'c'].map(number), extra: { row: true } })
    expect(read.lanes).toEqual([
      [1, 4, Number.NaN, 3],
      [2, 3, 6, 4],
      [Number.NaN, Number.NaN, 5, Number.NaN],
      [0, 1, 2, 3],
    ])
    await differing.close()
  })
})

describe('NDJSON', () => {
  const good = '{"n":1,"flag":true,"ts":"2025-01-01T00:00:00Z","text":"a","nested":{"x":[1]},"nothing":null}\n'

  test('columns are what all of their values are, to the last row', async () => {
    const content = `\ufeff${good}\n  \n{"n":0.5,"late":"x","ts":"2025-01-01T00:00:01+02:00","mixed":1}\r\n{"mixed":"x","text":"2025-01-01"}`
    expect(await kindsOf('kinds.ndjson', content)).toEqual({
      n: 'number',
      flag: 'boolean',
      ts: 'timestamp',
      text: 'text',
      nested: 'other',
      nothing: 'number',
      late: 'text',
      mixed: 'other',
    })
    const session = await bench.open('kinds.ndjson')
    const { columns, rows } = await session.describe()
    expect(rows).toBe(3)
    expect(columns.find(({ name }) => name === 'mixed')).toMatchObject({
      type: 'mixed',
      mistyped: { values: 1, firstRows: [2] },
    })
    const read = await readAll(session, { features: [number('n')], include: ['ts', 'nested', 'mixed', 'late'] })
    expect(read.lanes).toEqual([[1, 0.5, Number.NaN]])
    expect(read.text?.[0]).toBe('"ts":"2025-01-01T00:00:00Z","nested":{"x":[1]},"mixed":null,"late":null')
    expect(read.text?.[1]).toBe('"ts":"2024-12-31T22:00:01Z","nested":null,"mixed":1,"late":"x"')
    await session.close()
  })

  test('numbers are those of JSON.parse, to the bit', async () => {
    const texts = [
      '0.1',
      '1e-400',
      '5e-324',
      '1.7976931348623157e308',
      '-0',
      '-0.0',
      '9007199254740993',
      '123456789012345678901234567890',
      '2.2250738585072011e-308',
      '0.30000000000000004',
    ]
    const session = await bench.open(bench.file('numbers.ndjson', texts.map((text) => `{"x":${text}}`).join('\n')))
    const { lanes } = await readAll(session, { features: [number('x')] })
    expect(lanes[0]?.map((value, i) => Object.is(value, JSON.parse(texts[i] as string)))).toEqual(texts.map(() => true))
    await session.close()
  })

  const broken: [string, string | Uint8Array, string][] = [
    ['cut in the middle of a line', `${good}{"n":2,"fl`, 'source_unreadable'],
    ['an array', `${good}[1,2]\n`, 'source_unreadable'],
    ['a bare value', `${good}5\n`, 'source_unreadable'],
    ['two objects in one line', `${good}{"n":1}{"n":2}\n`, 'source_unreadable'],
    ['trailing text', `${good}{"n":1} x\n`, 'source_unreadable'],
    ['a number beyond doubles', `${good}{"n":1e400}\n`, 'source_unreadable'],
    ['a key twice', `${good}{"n":1,"n":2}\n`, 'duplicate_column'],
    ['keys that differ in case', '{"n":1}\n{"N":2}\n', 'duplicate_column'],
    ['an empty key', '{"":1}\n', 'invalid_column_name'],
    ['a key with NUL', '{"a\\u0000b":1}\n', 'invalid_column_name'],
    ['a prototype', '{"__proto__":1}\n', 'source_unreadable'],
    [
      'bytes that are not UTF-8',
      Buffer.concat([Buffer.from(`${good.repeat(1_000)}{"t":"`), Buffer.from([0xff]), Buffer.from('"}\n')]),
      'source_unreadable',
    ],
    ['a hundred thousand levels', `{"a":${'['.repeat(100_000)}`, 'source_unreadable'],
    ['a line of many megabytes', `{"n":1,"t":"${'x'.repeat(20_000_000)}"}\n`, 'decoded_too_large'],
    ['too many columns', `{${Array.from({ length: 5_000 }, (_, i) => `"c${i}":1`).join()}}\n`, 'too_many_columns'],
  ]
  test.each(broken)('refuses %s', async (_, content, code) => {
    expect(await tryReading(bench, bench.file('broken.ndjson', content))).toBe(code)
  })

  test('at scoring a value of another type is refused with its row, booleans are numbers and nothing is cast', async () => {
    const types = [
      { name: 'n', kind: 'number' },
      { name: 'flag', kind: 'boolean' },
    ] as const
    const rows = (last: string): string => `${'{"n":1,"flag":true}\n'.repeat(5_000)}${last}\n`
    expect(await refusal('typed.ndjson', rows('{"n":true,"flag":0}'), types)).toBe('none')
    for (const last of ['{"n":"1"}', '{"n":[1]}', '{"n":{}}', '{"flag":"true"}', '{"flag":2}']) {
      const column = last.includes('flag') ? 'flag' : 'n'
      expect([last, await refusal('typed.ndjson', rows(last), types)]).toEqual([
        last,
        { code: 'type_mismatch', facts: { column, firstRows: [5_000] } },
      ])
    }
  })

  test('a key that comes late is found when it is asked for, and absent only when it never comes', async () => {
    const content = `${'{"n":1}\n'.repeat(10_000)}{"late":2,"n":3}\n`
    const named = async (expectNames: string[]): Promise<string[]> => {
      const session = await bench.open(bench.file('late.ndjson', content), {
        types: [{ name: 'n', kind: 'number' }],
        expect: expectNames,
      })
      const names = (await session.describe()).columns.map(({ name }) => name)
      await session.close()
      return names
    }
    expect(await named([])).toEqual(['n'])
    expect(await named(['late'])).toEqual(['n', 'late'])
    expect(await named(['never'])).toEqual(['n', 'late'])
  })

  test('what is written again has every column, also those that came late', async () => {
    const { writeFileSync } = await import('node:fs')
    const session = await bench.open(bench.file('out.ndjson', `${'{"n":1}\n'.repeat(3_000)}{"late":"x","n":3}\n`), {
      types: [{ name: 'n', kind: 'number' }],
      outputPath: join(bench.home, 'out.parquet'),
    })
    expect((await session.describe()).columns.length).toBe(1)
    expect((await readAll(session, { features: [number('n')] })).rows).toBe(3_001)
    const scoresPath = join(bench.home, 'scores')
    writeFileSync(scoresPath, Buffer.from(new Float64Array(3_001).buffer))
    expect((await session.writeScored({ scoresPath, threshold: 0.5, anomaliesOnly: false })).rows).toBe(3_001)
    await session.close()
    const again = await bench.sources.fromPaths(
      bench.file('again.parquet', (await import('node:fs')).readFileSync(join(bench.home, 'out.parquet'))),
    )
    const copy = await bench.readers.open(again)
    expect((await copy.describe()).columns.map(({ name, kind }) => [name, kind])).toEqual([
      ['n', 'number'],
      ['late', 'text'],
      ['anomaly_score', 'number'],
      ['is_anomaly', 'boolean'],
    ])
    await copy.close()
  })
})

import { readFileSync } from 'node:fs'
import * as arrow from 'apache-arrow'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { DeepWatchError } from '../../src/errors.ts'
import type { FeatureColumn, ReaderSession } from '../../src/reader/types.ts'
import { type Bench, codeOf, readAll, startBench, tryReading } from '../reader/tools.ts'

let bench: Bench

beforeAll(async () => {
  bench = await startBench()
})

const number = (name: string): FeatureColumn => ({ name, kind: 'number' })
const start = Date.UTC(2025, 0, 1) * 1000

/** A stream with a batch per table. */
function streamOf(...tables: arrow.Table[]): Buffer {
  const writer = arrow.RecordBatchStreamWriter.writeAll(tables.flatMap((table) => table.batches))
  return Buffer.from(writer.toUint8Array(true))
}

const vector = (values: unknown[], type: arrow.DataType): arrow.Vector => arrow.vectorFromArray(values as never[], type)
const raw = (type: arrow.DataType, values: BigInt64Array | Int32Array): arrow.Vector =>
  new arrow.Vector([arrow.makeData({ type, length: values.length, nullCount: 0, data: values } as never)])

describe('an Arrow stream', () => {
  test('gives numbers, booleans, times and texts as they are, nulls as missing, and shows the rest as text', async () => {
    const table = new arrow.Table({
      i8: vector([-1, null], new arrow.Int8()),
      u32: vector([4e9, 1], new arrow.Uint32()),
      i64: raw(new arrow.Int64(), BigInt64Array.of(9007199254740993n, -1n)),
      f32: vector([0.1, null], new arrow.Float32()),
      f64: vector([0.1, null], new arrow.Float64()),
      flag: vector([true, null], new arrow.Bool()),
      seconds: raw(new arrow.TimestampSecond(), BigInt64Array.of(1_735_689_600n, -1n)),
      millis: raw(new arrow.TimestampMillisecond('Europe/Prague'), BigInt64Array.of(1_735_689_600_001n, 0n)),
      micros: raw(new arrow.TimestampMicrosecond('UTC'), BigInt64Array.of(1_735_689_600_000_001n, 0n)),
      nanos: raw(new arrow.TimestampNanosecond(), BigInt64Array.of(1_735_689_600_000_001_999n, 0n)),
      day: vector([new Date('2025-01-01'), null], new arrow.DateDay()),
      text: vector(['a"b', null], new arrow.Utf8()),
      word: arrow.vectorFromArray(['x', 'y']),
      list: vector([[1, 2], null], new arrow.List(new arrow.Field('item', new arrow.Int32()))),
    })
    const session = await bench.open(bench.file('types.arrows', streamOf(table, table)))
    const { columns, rows } = await session.describe()
    expect(rows).toBe(4)
    expect(Object.fromEntries(columns.map(({ name, kind }) => [name, kind]))).toEqual({
      i8: 'number',
      u32: 'number',
      i64: 'number',
      f32: 'number',
      f64: 'number',
      flag: 'boolean',
      seconds: 'timestamp',
      millis: 'timestamp',
      micros: 'timestamp',
      nanos: 'timestamp',
      day: 'timestamp',
      text: 'text',
      word: 'text',
      list: 'other',
    })
    const names = ['i8', 'u32', 'i64', 'f32', 'f64']
    const read = await readAll(session, {
      features: [...names.map(number), { name: 'flag', kind: 'boolean' }],
      include: ['i64', 'text', 'word', 'list', 'millis'],
      extra: { row: true },
    })
    expect(read.lanes.map((lane) => lane.slice(0, 2))).toEqual([
      [-1, Number.NaN],
      [4e9, 1],
      [2 ** 53, -1],
      [Math.fround(0.1), Number.NaN],
      [0.1, Number.NaN],
      [1, Number.NaN],
      [0, 1],
    ])
    expect(read.lanes[6]).toEqual([0, 1, 2, 3])
    expect(read.text?.[0]).toBe(
      '"i64":9007199254740993,"text":"a\\"b","word":"x","list":"[1,2]","millis":"2025-01-01T00:00:00.001Z"',
    )
    for (const [name, value] of [
      ['seconds', start],
      ['millis', start + 1_000],
      ['micros', start + 1],
      ['nanos', start + 1],
      ['day', start],
    ] as const) {
      const times = await readAll(session, { features: [number('f64')], timestamp: name, extra: { timestamp: true } })
      expect([name, times.lanes[1]?.[0]]).toEqual([name, value])
    }
    await session.close()
  })

  test('is read in order over many batches', async () => {
    const tables = Array.from(
      { length: 30 },
      (_, batch) =>
        new arrow.Table({
          n: vector(
            Array.from({ length: 3_001 }, (_, i) => batch * 3_001 + i),
            new arrow.Float64(),
          ),
        }),
    )
    const session = await bench.open(bench.file('many.arrows', streamOf(...tables)))
    const read = await readAll(session, { features: [number('n')] })
    expect(read.rows).toBe(90_030)
    expect(read.lanes[0]?.findIndex((value, i) => value !== i)).toBe(-1)
    await session.close()
  })

  test('without rows has columns', async () => {
    const schema = new arrow.Schema([new arrow.Field('n', new arrow.Float64(), true)])
    const writer = new arrow.RecordBatchStreamWriter()
    writer.reset(undefined, schema)
    writer.finish()
    const session = await bench.open(bench.file('none.arrows', writer.toUint8Array(true)))
    expect(await session.describe()).toMatchObject({ rows: 0, columns: [{ name: 'n', kind: 'number' }] })
    expect((await readAll(session, { features: [number('n')] })).rows).toBe(0)
    await session.close()
  })

  test('that is cut anywhere is refused, also between two batches', async () => {
    const table = new arrow.Table({
      n: vector([1, 2, 3], new arrow.Float64()),
      t: vector(['a', 'b', 'c'], new arrow.Utf8()),
    })
    const whole = streamOf(table, table)
    const cuts = [
      whole.length - 8,
      whole.length - 4,
      whole.length - 1,
      whole.length - 9,
      Math.floor(whole.length / 2),
      64,
      12,
    ]
    // The boundary between the two batches: the second is as long as the first.
    const schemaEnd = whole.length - 8 - 2 * (whole.length - 8 - streamOf(table).length + 8 || 1)
    cuts.push(whole.length - 8 - (whole.length - streamOf(table).length), schemaEnd)
    for (const cut of cuts.filter((at) => at > 8)) {
      expect([cut, await tryReading(bench, bench.file('cut.arrows', whole.subarray(0, cut)))]).toEqual([
        cut,
        'source_unreadable',
      ])
    }
    expect(await tryReading(bench, bench.file('twice.arrows', Buffer.concat([whole, whole])))).toBe('source_unreadable')
    expect(
      await tryReading(
        bench,
        bench.file('noise.arrows', Buffer.concat([whole.subarray(0, 200), Buffer.alloc(400, 0xa5)])),
      ),
    ).toBe('source_unreadable')
    expect(await tryReading(bench, bench.file('whole.arrows', whole))).toBe('none')
  })

  test('with twin names, times out of range or files of different columns is refused', async () => {
    const twins = new arrow.Table({ n: vector([1], new arrow.Float64()), N: vector([1], new arrow.Float64()) })
    expect(await tryReading(bench, bench.file('twins.arrows', streamOf(twins)))).toBe('duplicate_column')
    const far = new arrow.Table({
      n: vector([1], new arrow.Float64()),
      t: raw(new arrow.TimestampSecond(), BigInt64Array.of(2n ** 62n)),
    })
    const session = await bench.open(bench.file('far.arrows', streamOf(far)))
    expect(
      await codeOf(readAll(session, { features: [number('n')], timestamp: 't', extra: { timestamp: true } })),
    ).toBe('timestamp_out_of_range')
    await session.close()
    bench.file('1.arrows', streamOf(new arrow.Table({ n: vector([1], new arrow.Float64()) })))
    bench.file('2.arrows', streamOf(new arrow.Table({ n: vector([2], new arrow.Float64()) })))
    bench.file('3.arrows', streamOf(new arrow.Table({ n: vector([2], new arrow.Int32()) })))
    const both = await bench.open(['2.arrows', '1.arrows'])
    expect((await readAll(both, { features: [number('n')] })).lanes).toEqual([[2, 1]])
    await both.close()
    expect(await tryReading(bench, ['1.arrows', '3.arrows'])).toBe('type_mismatch')
  })
})

describe('types of other writers', () => {
  test('a dictionary is read as its values, whatever they are', async () => {
    const values = (of: arrow.Vector): arrow.Vector =>
      new arrow.Vector([
        arrow.makeData({
          type: new arrow.Dictionary(of.type, new arrow.Int32()),
          length: 3,
          nullCount: 0,
          data: Int32Array.of(1, 0, 1),
          dictionary: of,
        } as never),
      ])
    const table = new arrow.Table({
      n: vector([1, 2, 3], new arrow.Float64()),
      long: values(raw(new arrow.Int64(), BigInt64Array.of(9007199254740993n, -5n))),
      small: values(vector([7, 8], new arrow.Int8())),
      money: values(raw(new arrow.Decimal(2, 10, 128), Int32Array.of(150, 0, 0, 0, -225, -1, -1, -1)) as arrow.Vector),
      at: values(raw(new arrow.TimestampMicrosecond(), BigInt64Array.of(1_735_689_600_000_001n, 5n))),
    })
    const session = await bench.open(bench.file('dictionary.arrows', streamOf(table)))
    const read = await readAll(session, {
      features: ['long', 'small', 'money'].map(number),
      timestamp: 'at',
      extra: { timestamp: true },
      include: ['long'],
    })
    expect(read.lanes).toEqual([
      [-5, 2 ** 53, -5],
      [8, 7, 8],
      [-2.25, 1.5, -2.25],
      [5, start + 1, 5],
    ])
    expect(read.text).toEqual(['"long":-5', '"long":9007199254740993', '"long":-5'])
    await session.close()
  })

  test('integers are rounded only where a value is, and the index of pandas is not learnt', async () => {
    const table = new arrow.Table({
      exact: raw(new arrow.Int64(), BigInt64Array.of(2n ** 60n, 1n)),
      rounded: raw(new arrow.Int64(), BigInt64Array.of(2n ** 60n, 2n ** 60n + 1n)),
      id: vector([1, 2], new arrow.Int32()),
    })
    const schema = new arrow.Schema(table.schema.fields, new Map([['pandas', '{"index_columns": ["id"]}']]))
    const noted = new arrow.Table(schema, [new arrow.RecordBatch(schema, table.batches[0]!.data)])
    const session = await bench.open(bench.file('pandas.arrows', streamOf(noted)))
    expect((await session.describe()).columns).toMatchObject([
      { name: 'exact', precisionLoss: false },
      { name: 'rounded', precisionLoss: true },
      { name: 'id', index: true },
    ])
    await session.close()
  })

  test.each([
    ['run-ends.arrows', 'RunEndEncoded'],
    ['list-view.arrows', 'ListView'],
  ])('%s is refused by the name of its type', async (name, type) => {
    const bytes = readFileSync(new URL(`../../../test/fixtures/${name}`, import.meta.url))
    const session = await bench.open(bench.file(name, bytes))
    await expect(session.describe()).rejects.toMatchObject({ code: 'source_unreadable', facts: { file: name, type } })
    await session.close()
  })

  test('text of polars is text', async () => {
    const bytes = readFileSync(new URL('../../../test/fixtures/views.arrows', import.meta.url))
    const session = await bench.open(bench.file('views.arrows', bytes))
    expect((await session.describe()).columns).toMatchObject([{ name: 'host', kind: 'text' }])
    const read = await readAll(session, { features: [], extra: { row: true }, include: ['host'] })
    expect(read.text).toEqual(['"host":"a"', '"host":null', '"host":"a name of more than twelve bytes"'])
    await session.close()
  })

  test('decimals inside of other types are refused where they would be shown', async () => {
    const type = new arrow.List(new arrow.Field('item', new arrow.Decimal(2, 10, 128)))
    const schema = new arrow.Schema([
      new arrow.Field('n', new arrow.Float64(), true),
      new arrow.Field('list', type, true),
    ])
    const writer = new arrow.RecordBatchStreamWriter()
    writer.reset(undefined, schema)
    writer.finish()
    const session = await bench.open(bench.file('inside.arrows', writer.toUint8Array(true)))
    expect((await readAll(session, { features: [number('n')] })).rows).toBe(0)
    await expect(readAll(session, { features: [number('n')], include: ['list'] })).rejects.toMatchObject({
      code: 'type_mismatch',
      facts: { column: 'list' },
    })
    await session.close()
  })
})

test('a stream mutated at random gives rows or a refusal, never a failure of ours', async () => {
  const table = new arrow.Table({
    n: vector(
      Array.from({ length: 100 }, (_, i) => i),
      new arrow.Float64(),
    ),
    i: raw(
      new arrow.Int64(),
      BigInt64Array.from({ length: 100 }, (_, i) => BigInt(i)),
    ),
    flag: vector(
      Array.from({ length: 100 }, (_, i) => i % 2 === 0),
      new arrow.Bool(),
    ),
    t: vector(
      Array.from({ length: 100 }, (_, i) => (i % 3 === 0 ? null : `text ${i}`)),
      new arrow.Utf8(),
    ),
    word: arrow.vectorFromArray(Array.from({ length: 100 }, (_, i) => `w${i % 5}`)),
  })
  const whole = streamOf(table)
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(fc.nat(1_600), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }),
      async (changes) => {
        const bytes = Buffer.from(whole)
        for (const [at, flip] of changes) bytes[at % bytes.length]! ^= flip
        const code = await tryEcho(bench.file('mutated.arrows', bytes))
        expect(['none', ...refusals]).toContain(code)
      },
    ),
    { numRuns: 60 },
  )
})

/** Reads everything, the text as well; the first error's code, or 'none'. */
async function tryEcho(file: string): Promise<string> {
  let session: ReaderSession | null = null
  try {
    session = await bench.open(file)
    const { columns } = await session.describe()
    const features = columns.filter(({ kind }) => kind === 'number').map(({ name }) => number(name))
    await readAll(session, { features, extra: { row: true }, include: columns.map(({ name }) => name) })
    return 'none'
  } catch (error) {
    if (error instanceof DeepWatchError) return error.code
    throw error
  } finally {
    await session?.close()
  }
}

const refusals = [
  'source_unreadable',
  'invalid_column_name',
  'duplicate_column',
  'decoded_too_large',
  'timestamp_out_of_range',
  'unknown_format',
  'type_mismatch',
]

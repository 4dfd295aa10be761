/** The short way of a few rows gives the block of the long way to the bit, or leaves the rows to it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseBody } from '../../src/json/body.ts'
import { type Rows as GivenRows, RowTable } from '../../src/json/row-table.ts'
import { createTimeContext } from '../../src/kernels/history/time-context.ts'
import type { FeatureLane } from '../../src/reader/types.ts'
import type { Feature } from '../../src/schemas/model.ts'
import { blockOfFewRows } from '../../src/scoring/small-batch.ts'
import { readRows } from '../../src/telemetry/json-rows.ts'
import { planScoring } from '../../src/telemetry/telemetry.ts'

const profile = { finite: 1, missing: 0, infinite: 0, min: 0, max: 1 } as Feature['profile']
const column = (name: string) => ({ name, kind: 'number', type: 'number', profile }) as Feature
const transitions = { utc: [0, 1_700_000_000], offset: [3600, 7200] }
const hour = { name: 'hour_sin', kind: 'timeContext', timeContext: 'hour_sin', profile } as Feature

const models = [
  { features: ['b', 'a'].map(column), roles: { timestamp: null, entity: null, label: null } },
  { features: ['a', 'b'].map(column), roles: { timestamp: 'ts', entity: 'host', label: 'label' } },
  { features: [hour, column('a')], roles: { timestamp: 'ts', entity: 'host', label: null } },
]

type Rows = Record<string, unknown>[]

/** One for each model, as in the service: what it remembers of the rows before must not matter. */
const plans = models.map(({ features }) => {
  const lanes = features.map(
    (feature): FeatureLane =>
      feature.kind === 'timeContext' ? { timeContext: feature.timeContext } : { name: feature.name, kind: 'number' },
  )
  const laneOf = new Map(lanes.flatMap((lane, n): [string, number][] => ('kind' in lane ? [[lane.name, n]] : [])))
  return {
    lanes,
    laneOf,
    timeContext: createTimeContext(transitions),
    rowKeys: { keys: [] as string[], places: [] as number[] },
  }
})

const shortWay = (rows: GivenRows, model: (typeof models)[number]) =>
  blockOfFewRows(rows, plans[models.indexOf(model)]!, model.roles)

async function longWay(rows: Rows, model: (typeof models)[number]) {
  const telemetry = readRows(rows)
  const { lanes, timestamp } = planScoring(await telemetry.describe(), model, {})
  for await (const { block } of telemetry.features({ features: lanes, timestamp: timestamp ?? undefined, transitions }))
    return block
  return null
}

const time = fc.constantFrom('2026-11-22T14:00:00Z', '2023-01-01T00:00:00.25+02:00')
const strange = fc.constantFrom<unknown>('x', [1], {}, '2026-11-22T14:00:00Z', true, 7)
const maybe = <T>(likely: fc.Arbitrary<T>) =>
  fc.oneof(
    { weight: 12, arbitrary: likely },
    { weight: 1, arbitrary: fc.constant(null) },
    { weight: 1, arbitrary: strange },
  )
const row = fc.record(
  {
    a: maybe(fc.oneof(fc.double({ noNaN: true }), fc.boolean())),
    b: maybe(fc.double({ noNaN: true, noDefaultInfinity: true })),
    ts: maybe(time),
    host: fc.oneof(fc.string(), time, fc.integer()),
    label: fc.boolean(),
    other: fc.integer(),
  },
  { requiredKeys: ['a'] },
)
const withTime = fc.record({ ts: time, a: fc.double({ noNaN: true }), host: fc.string() }, { requiredKeys: ['a'] })

test('equal to the bit, in any order of keys and with values missing', async () => {
  let taken = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...models),
      fc.oneof(fc.array(row, { maxLength: 12 }), fc.array(withTime, { maxLength: 12 })),
      fc.boolean(),
      async (model, rows, turned) => {
        const asked = turned
          ? rows.map((each, n) => (n % 2 ? Object.fromEntries(Object.entries(each).reverse()) : each))
          : rows
        const block = shortWay(asked as Rows, model)
        if (block === null) return
        taken++
        const twin = await longWay(asked as Rows, model)
        expect([...block.values]).toEqual([...twin!.values])
        expect([block.rows, block.stride, block.columns]).toEqual([twin!.rows, twin!.stride, twin!.columns])
      },
    ),
    { numRuns: 3000 },
  )
  expect(taken).toBeGreaterThan(300)
})

test('what has to be told goes the long way', async () => {
  const [plain, named] = models as [(typeof models)[number], (typeof models)[number]]
  for (const rows of [
    [],
    [{ a: 1 }],
    [{ a: 1, b: 'x' }],
    [{ a: 1, b: [] }],
    [{ a: 1, b: 2, ts: 'yesterday' }],
    [{ a: 1, b: 2, unheard: 3 }],
    Array.from({ length: 513 }, () => ({ a: 1, b: 2 })),
  ])
    expect(shortWay(rows, named), JSON.stringify(rows).slice(0, 60)).toBeNull()
  // Without a named timestamp two columns of times would be one too many.
  expect(shortWay([{ a: 1, b: 2, ts: '2026-11-22T14:00:00Z' }], plain)).toBeNull()
  expect(shortWay([{ a: 1, b: 2, ts: null, host: 'h', label: true }], named)?.rows).toBe(1)
})

test('a column may be in some rows alone, and no key from outside is kept', () => {
  const named = models[1]!
  expect([...shortWay([{ b: 2 }, { a: 1 }, {}], named)!.values]).toEqual([
    Number.NaN,
    1,
    Number.NaN,
    2,
    Number.NaN,
    Number.NaN,
  ])
  expect([...shortWay([{ a: 1 }, { b: 2, a: 3 }], named)!.values]).toEqual([1, 3, Number.NaN, 2])
  expect(shortWay([{ b: 2, a: 1, ['x'.repeat(1000)]: 1 }], named)).toBeNull()
  expect(plans[1]!.rowKeys.keys.every((key) => key.length < 10)).toBe(true)
})

test('a table gives the block that its rows give, or none as they', async () => {
  const cell = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))
  const times = fc.oneof(fc.constantFrom('2026-11-22T14:00:00Z', 'yesterday'), fc.constant(null))
  const shapes = [
    fc.record({ a: cell, b: cell }),
    fc.record({ b: cell, host: fc.constantFrom('web-1', 'web-2'), ts: times, a: cell }),
    fc.record({ ts: cell, a: cell, b: cell, label: fc.nat(1) }),
    fc.record({ a: cell, b: cell, unheard: cell }),
    fc.record({ a: fc.constant('x'), b: cell }),
    fc.record({ a: cell, ts: times }),
  ]
  let [tables, taken] = [0, 0]
  fc.assert(
    fc.property(
      fc.constantFrom(...models),
      fc.oneof(...shapes.map((shape) => fc.array(shape as fc.Arbitrary<object>, { minLength: 1, maxLength: 9 }))),
      (model, rows) => {
        const body = JSON.stringify({ rows }).padEnd(1100)
        const { rows: table } = parseBody(Buffer.from(body)) as { rows: GivenRows }
        if (!(table instanceof RowTable)) return
        tables++
        const block = shortWay(table, model)
        // As they were sent: -0 is 0 in JSON.
        const twin = shortWay((JSON.parse(body) as { rows: Rows }).rows, model)
        expect(block && { ...block, values: [...block.values] }).toEqual(twin && { ...twin, values: [...twin.values] })
        if (block) taken++
      },
    ),
    { numRuns: 3000 },
  )
  expect(tables).toBeGreaterThan(1000)
  expect(taken).toBeGreaterThan(300)
})

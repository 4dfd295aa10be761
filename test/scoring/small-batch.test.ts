/** A small batch gives the block of the complete reader to the bit, or leaves the rows to it. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseBody } from '../../src/json/body.ts'
import type { Rows as GivenRows } from '../../src/json/small-batch.ts'
import type { FeatureColumn } from '../../src/reader/types.ts'
import type { Feature } from '../../src/schemas/model.ts'
import { blockOfSmallBatch } from '../../src/scoring/small-batch.ts'
import { readRows } from '../../src/telemetry/json-rows.ts'
import { planScoring } from '../../src/telemetry/telemetry.ts'
import { createTimeContext } from '../../src/telemetry/time-context.ts'

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

const plans = models.map(({ features }) => {
  const columns = features.map(
    (feature): FeatureColumn =>
      feature.kind === 'timeContext' ? { timeContext: feature.timeContext } : { name: feature.name, kind: 'number' },
  )
  const placeOf = new Map(columns.flatMap((each, n): [string, number][] => ('kind' in each ? [[each.name, n]] : [])))
  return { features: columns, placeOf, timeContext: createTimeContext(transitions) }
})

function smallBatch(rows: Rows, model: (typeof models)[number]) {
  const body = parseBody(Buffer.from(JSON.stringify({ rows }))) as { rows: GivenRows }
  return blockOfSmallBatch(body.rows, plans[models.indexOf(model)]!, model.roles)
}

async function completeReader(rows: Rows, model: (typeof models)[number]) {
  const telemetry = readRows(rows)
  const { features, timestamp } = planScoring(await telemetry.describe(), model, {})
  for await (const { block } of telemetry.features({ features, timestamp: timestamp ?? undefined, transitions }))
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

const cell = fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.constant(null))
const shapes: fc.Arbitrary<object>[] = [
  fc.record({ a: cell, b: cell }),
  fc.record({ b: cell, host: fc.constantFrom('web-1', 'web-2'), ts: maybe(time), a: cell }),
  fc.record({ ts: fc.option(time), a: cell, b: cell, label: fc.nat(1) }),
  fc.record({ a: cell, b: fc.oneof(cell, fc.boolean()), unheard: cell }),
  row,
  withTime,
]

test('equal to the bit, or left to the complete reader', async () => {
  let taken = 0
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...models),
      fc.oneof(...shapes.map((shape) => fc.array(shape, { maxLength: 9 }))),
      async (model, given) => {
        // As they arrive: -0 is 0 in JSON.
        const rows = JSON.parse(JSON.stringify(given)) as Rows
        const block = smallBatch(rows, model)
        if (block === null) return
        taken++
        const twin = await completeReader(rows, model)
        expect([...block.values]).toEqual([...twin!.values])
        expect([block.rows, block.stride, block.columns]).toEqual([twin!.rows, twin!.stride, twin!.columns])
      },
    ),
    { numRuns: 5000 },
  )
  expect(taken).toBeGreaterThan(500)
})

test('what has to be told is left to the complete reader', () => {
  const [plain, named] = models as [(typeof models)[number], (typeof models)[number]]
  for (const rows of [
    [],
    [{ a: 1 }],
    [{ a: 1, b: 'x' }],
    [{ a: 1, b: [] }],
    [{ a: 1, b: 2, ts: 'yesterday' }],
    [{ a: 1, b: 2, ts: 7 }],
    [{ a: 1, b: 2, unheard: 3 }],
    [{ a: 1, b: 2 }, { a: 1 }],
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    Array.from({ length: 513 }, () => ({ a: 1, b: 2 })),
  ])
    expect(smallBatch(rows, named), JSON.stringify(rows).slice(0, 60)).toBeNull()
  // Without a named timestamp two columns of times would be one too many.
  expect(smallBatch([{ a: 1, b: 2, ts: '2026-11-22T14:00:00Z' }], plain)).toBeNull()
  expect(smallBatch([{ a: 1, b: 2, ts: null, host: 'h', label: true }], named)?.rows).toBe(1)
})

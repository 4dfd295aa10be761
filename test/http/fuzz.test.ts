import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { type HttpApp, markedRows, outcome, serveApp, trainSmall } from './client.ts'

let app: HttpApp

beforeAll(async () => {
  app = await serveApp()
  await trainSmall(app, 'web')
})

/** No answer of ours is a 5xx; `send` has looked at everything else already. */
async function isRefusedOrDone(path: string, json: unknown): Promise<void> {
  const reply = await app.post(path, json)
  expect(reply.status, `${path} ${JSON.stringify(json).slice(0, 300)} ${reply.text.slice(0, 300)}`).toBeLessThan(500)
}

const runs = { numRuns: 150 }
/** Every kind of name that a column can have, the treacherous ones often. */
const name = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom('cpu', 'latency', 'ts', 'host', 'label') },
  fc.constantFrom(
    'constructor',
    'toString',
    'hasOwnProperty',
    '',
    ' ',
    'a.b',
    '__proto',
    'length',
    '0',
    '-0',
    '💥',
    'x\u0000y',
    'ﬁ',
    'e\u0301',
    '\u00e9',
  ),
  fc.string({ maxLength: 12 }),
)
const cell = fc.oneof(
  { weight: 4, arbitrary: fc.double({ noNaN: true, noDefaultInfinity: true }) },
  fc.constantFrom(0, -0, 5e-324, 1e308, -1e308, Number.MAX_VALUE, 2 ** 53 + 2, 0.1),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
  fc.constantFrom(
    '2026-01-01T00:00:00Z',
    '2026-02-30T00:00:00Z',
    '0001-01-01T00:00:00Z',
    '9999-12-31T23:59:60Z',
    'NaN',
    '1',
  ),
  fc.jsonValue({ maxDepth: 2 }),
)
const rows = fc.array(fc.dictionary(name, cell, { maxKeys: 5, noNullPrototype: true }), { maxLength: 40 })
const detector = fc.record(
  {
    type: fc.constantFrom('isolation-forest', 'isolation-forest', 'forest'),
    trees: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.constantFrom(0, -1, 1.5, 1e9)),
    sampleSize: fc.oneof(fc.integer({ min: 2, max: 64 }), fc.constantFrom(0, 1, 1e9)),
    maxDepth: fc.oneof(fc.integer({ min: 1, max: 60 }), fc.constantFrom(null, 0)),
    seed: fc.oneof(fc.maxSafeNat(), fc.constantFrom(-1, 1.5)),
  },
  { requiredKeys: ['type'] },
)
const trainBody = fc.record(
  {
    model: fc.constantFrom('fuzz', 'fuzz', 'Fuzz', 5),
    rows,
    detector,
    threshold: fc.oneof(
      fc.constant('auto'),
      fc.record({ contamination: fc.double({ min: 0, max: 0.6, noNaN: true }) }),
      fc.record({ value: fc.double({ min: -0.1, max: 1.1, noNaN: true }) }),
    ),
    missing: fc.constantFrom('reject', 'median', 'skip', 'zero'),
    features: fc.array(name, { maxLength: 3 }),
    timestamp: name,
    label: name,
    timeFeatures: fc.oneof(fc.constantFrom('auto', []), fc.subarray(['hour', 'dayOfWeek', 'hour'])),
    timeZone: fc.constantFrom('Europe/Berlin', 'America/St_Johns', 'Mars/Base'),
    window: fc.record({ from: fc.constantFrom('2025-01-01T00:00:00Z', 'x'), to: fc.constant('2027-01-01T00:00:00Z') }),
    serve: fc.boolean(),
  },
  { requiredKeys: ['model', 'rows'] },
)
const scoreBody = fc.record(
  {
    model: fc.constantFrom('web', 'web@1', 'web@2', 'fuzz', 'none', ''),
    rows,
    include: fc.array(name, { maxLength: 3 }),
    return: fc.constantFrom('all', 'anomalies', 'none', 'some'),
    window: fc.record({ from: fc.constant('2025-01-01T00:00:00Z') }),
    timestamp: name,
  },
  { requiredKeys: ['model', 'rows'] },
)

describe('whatever is sent, no answer is a 5xx and the service lives', () => {
  test('any JSON value as body', async () => {
    const body = fc.jsonValue({ maxDepth: 6 })
    await fc.assert(
      fc.asyncProperty(body, fc.constantFrom('/train', '/score'), (json, path) => isRefusedOrDone(path, json)),
      runs,
    )
  })

  test('training settings and rows that are nearly right', async () => {
    await fc.assert(
      fc.asyncProperty(trainBody, (json) => isRefusedOrDone('/train', json)),
      runs,
    )
  })

  test('scoring settings and rows that are nearly right', async () => {
    await fc.assert(
      fc.asyncProperty(scoreBody, (json) => isRefusedOrDone('/score', json)),
      runs,
    )
  })

  test('every score is null with a reason, or a number in [0, 1] that agrees with its flag', async () => {
    const row = fc.record({ cpu: cell, latency: cell }, { requiredKeys: [] })
    await fc.assert(
      fc.asyncProperty(fc.array(row, { maxLength: 10 }), async (given) => {
        const reply = await app.post('/score', { model: 'web', rows: given })
        if (reply.status !== 200) return
        const answer = reply.json<{
          results: { score: number | null; isAnomaly: boolean; reason?: string }[]
          threshold: number
          unscored: number
        }>()
        expect(answer.results).toHaveLength(given.length)
        expect(answer.results.filter(({ score }) => score === null)).toHaveLength(answer.unscored)
        for (const { score, isAnomaly, reason } of answer.results) {
          if (score === null) expect([isAnomaly, typeof reason]).toEqual([false, 'string'])
          else expect([score >= 0 && score <= 1, isAnomaly]).toEqual([true, score > answer.threshold])
        }
      }),
      runs,
    )
  })

  test('any query', async () => {
    const pairs = fc.array(
      fc.tuple(
        fc.oneof(fc.constantFrom('model', 'rows', 'return', 'include', 'limit'), fc.string()),
        fc.oneof(fc.string(), fc.json()),
      ),
      { maxLength: 4 },
    )
    await fc.assert(
      fc.asyncProperty(pairs, async (query) => {
        const search = query.map(([key, value]) => `${encodeURIComponent(key)}=${encodeURIComponent(value)}`).join('&')
        for (const [method, path] of [
          ['POST', '/score'],
          ['GET', '/models'],
          ['GET', '/models/web'],
        ] as const)
          expect((await app.send(method, `${path}?${search}`)).status, search).toBeLessThan(500)
      }),
      { numRuns: 60 },
    )
  })

  test('and it goes on', async () => {
    expect(outcome(await app.post('/score', { model: 'web', rows: markedRows(4) }))).toBe('200')
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })
})

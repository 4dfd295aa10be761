import { beforeAll, describe, expect, test } from 'vitest'
import { canary, type HttpApp, markedRows, outcome, type Reply, serveApp, smallForest, trainSmall } from './client.ts'
import { dial, rawJson } from './wire.ts'

let app: HttpApp
const usual = { cpu: 0.1, latency: 12, host: canary }
const strange = { cpu: 50, latency: 2e7, host: canary }

beforeAll(async () => {
  app = await serveApp()
  // A tenth of the training rows is flagged, so that a strange row is flagged for sure.
  await trainSmall(app, 'web', { threshold: { contamination: 0.1 } })
})

interface Answer {
  model: string
  version: number
  threshold: number
  results: Record<string, unknown>[]
  rows: number
  anomalies: number
  unscored: number
}

const score = (body: object, headers: Readonly<Record<string, string>> = {}) =>
  app.post('/score', { model: 'web', ...body }, headers)

function expectHeaders(reply: Reply, model = 'web@1'): void {
  expect(reply.headers['deepwatch-model']).toBe(model)
  expect(Number(reply.headers['deepwatch-threshold'])).toBeGreaterThan(0)
}

describe('an answer', () => {
  test('has a score in [0, 1] per row in source order, and the flag follows from the threshold', async () => {
    const reply = await score({ rows: [usual, strange, usual] })
    const { results, threshold, ...rest } = reply.json<Answer>()
    expect(rest).toEqual({ model: 'web', version: 1, rows: 3, anomalies: 1, unscored: 0 })
    expect(results.map(({ row, isAnomaly }) => [row, isAnomaly])).toEqual([
      [0, false],
      [1, true],
      [2, false],
    ])
    for (const { score, isAnomaly } of results) {
      expect(score).toBeGreaterThan(0)
      expect(score).toBeLessThanOrEqual(1)
      expect(isAnomaly).toBe((score as number) > threshold)
    }
    expectHeaders(reply)
    expect(reply.headers['deepwatch-threshold']).toBe(String(threshold))
    expect(reply.headers['content-type']).toBe('application/json')
  })

  test('says threshold and model in the headers of every form, empty ones too', async () => {
    for (const accept of ['application/json', 'application/x-ndjson'])
      for (const rows of [[], [usual]]) expectHeaders(await score({ rows }, { accept }))
  })

  test('return chooses the rows, the counts stay', async () => {
    const rows = [usual, strange, { cpu: null, latency: 1 }, usual]
    const counts = { rows: 4, anomalies: 1, unscored: 1 }
    const picked = async (which?: string) => {
      const answer = (await score({ rows, ...(which ? { return: which } : {}) })).json<Answer>()
      expect(answer).toMatchObject(counts)
      return answer.results.map(({ row }) => row)
    }
    expect(await picked()).toEqual([0, 1, 2, 3])
    expect(await picked('all')).toEqual([0, 1, 2, 3])
    expect(await picked('anomalies')).toEqual([1])
    expect(await picked('none')).toEqual([])
  })

  test('include echoes columns as they are, times in UTC', async () => {
    const rows = [
      { ...usual, at: '2026-01-01T02:00:00+02:00', tags: { a: [1] }, constructor: 'own' },
      { ...strange, at: '2026-01-01T00:00:00.5', big: 1e300 },
    ]
    const reply = await score({ rows, include: ['host', 'at', 'tags', 'big', 'constructor'] })
    expect(reply.json<Answer>().results.map(({ values }) => values)).toEqual([
      { host: canary, at: '2026-01-01T00:00:00Z', tags: { a: [1] }, big: null, constructor: 'own' },
      { host: canary, at: '2026-01-01T00:00:00.5Z', tags: null, big: 1e300, constructor: null },
    ])
  })

  const refused: [string, object, string][] = [
    ['a column that is not there', { include: ['host', 'nothing'] }, '422 unknown_column'],
    ['a method of every object', { include: ['toString'] }, '422 unknown_column'],
    ['a column twice', { include: ['host', 'host'] }, '422 validation_failed'],
    ['nothing', { include: [] }, '422 validation_failed'],
    ['something, and no row returned', { include: ['host'], return: 'none' }, '422 unused_setting'],
  ]
  for (const [what, settings, expected] of refused) {
    test(`include of ${what} answers ${expected}`, async () => {
      expect(outcome(await score({ rows: [usual], ...settings }))).toBe(expected)
    })
  }

  test('include of long names in many rows is sent as it is made, in the memory of a few pieces', async () => {
    const names = Array.from({ length: 200 }, (_, index) => `${'n'.repeat(5_000)}${index}`)
    const rows = [Object.fromEntries(names.map((name) => [name, 1])), ...Array(20_000).fill(usual)]
    const body = JSON.stringify({ model: 'web', include: names, rows: rows.map((row) => ({ ...row, ...usual })) })
    const before = process.memoryUsage().rss
    // 20 GB in all: a client that wants them gets them, this one leaves.
    const socket = await dial(app.url)
    socket.write(rawJson('/score', body))
    let received = 0
    await new Promise<void>((resolve) =>
      socket.on('data', (chunk: Buffer) => {
        received += chunk.length
        if (received > 32 * 1024 * 1024) resolve()
      }),
    )
    expect(process.memoryUsage().rss - before).toBeLessThan(512 * 1024 * 1024)
    socket.destroy()
    expect(outcome(await app.get('/livez'))).toBe('200')
  })

  test('rows keep their position in the source when a window narrows it', async () => {
    const rows = Array.from({ length: 6 }, (_, hour) => ({ ...usual, at: `2026-01-01T0${hour}:00:00Z` }))
    const window = {
      from: '2026-01-01T01:00:00Z',
      to: '2026-01-01T05:00:00Z',
      exclude: [{ from: '2026-01-01T02:00:00Z', to: '2026-01-01T03:00:00Z' }],
    }
    const answer = (await score({ rows, window })).json<Answer>()
    expect(answer.rows).toBe(3)
    expect(answer.results.map(({ row }) => row)).toEqual([1, 3, 4])
  })

  test('row 98: features are matched by name, in any order', async () => {
    const swapped = { latency: usual.latency, host: canary, cpu: usual.cpu }
    expect((await score({ rows: [swapped] })).text).toBe((await score({ rows: [usual] })).text)
  })

  test('row 100: columns the model does not know are passed over', async () => {
    const reply = await score({ rows: [{ ...usual, disk: 'full', label: 2, anomaly_score: 'x' }] })
    expect(reply.text).toBe((await score({ rows: [usual] })).text)
  })
})

describe('a row that cannot be scored', () => {
  test('null and an absent key give score null, a reason and the features, never 0', async () => {
    const rows = [{ cpu: null, latency: 1 }, { latency: 1 }, { cpu: null, latency: null }, usual]
    const answer = (await score({ rows })).json<Answer>()
    expect(answer).toMatchObject({ rows: 4, unscored: 3, anomalies: 0 })
    expect(answer.results.slice(0, 3)).toEqual([
      { row: 0, score: null, isAnomaly: false, reason: 'missing_value', features: ['cpu'] },
      { row: 1, score: null, isAnomaly: false, reason: 'missing_value', features: ['cpu'] },
      { row: 2, score: null, isAnomaly: false, reason: 'missing_value', features: ['cpu', 'latency'] },
    ])
    expect(answer.results[3]!['score']).toBeTypeOf('number')
  })

  test('row 99: features absent from every row are missing_feature, all of them listed', async () => {
    const reply = await score({ rows: [{ host: canary }, {}] })
    expect(outcome(reply)).toBe('422 missing_feature')
    expect(reply.json()).toMatchObject({ features: ['cpu', 'latency'] })
    expect(outcome(await score({ rows: [{ cpu: 1 }, { cpu: 2 }] }))).toBe('422 missing_feature')
    expect(outcome(await score({ rows: [{}] }))).toBe('422 missing_feature')
  })

  test('a feature that is null everywhere is there, and every row unscored', async () => {
    expect(
      (
        await score({
          rows: [
            { cpu: null, latency: 1 },
            { cpu: null, latency: 2 },
          ],
        })
      ).json(),
    ).toMatchObject({ rows: 2, unscored: 2 })
  })

  test('rows 68 and 69: no row and one row are scored', async () => {
    expect((await score({ rows: [] })).json()).toMatchObject({ results: [], rows: 0, anomalies: 0, unscored: 0 })
    expect((await score({ rows: [usual] })).json()).toMatchObject({ rows: 1 })
  })

  test('rows 75 and 101: a text where a number is due is type_mismatch, naming column and rows', async () => {
    const mixed = await score({ rows: [usual, { ...usual, cpu: 'high' }, usual, { ...usual, cpu: canary }] })
    expect(outcome(mixed)).toBe('422 type_mismatch')
    expect(mixed.json()).toMatchObject({ column: 'cpu', values: 2, firstRows: [1, 3] })
    expect(mixed.text).not.toContain(canary)
    for (const cpu of ['1', [1], { a: 1 }])
      expect(outcome(await score({ rows: [{ ...usual, cpu }] }))).toBe('422 type_mismatch')
  })

  test('row 102: a model over other columns refuses the lot', async () => {
    await trainSmall(app, 'other', { rows: markedRows().map(({ cpu, latency }) => ({ reads: cpu, writes: latency })) })
    const reply = await app.post('/score', { model: 'other', rows: [usual] })
    expect(reply.json()).toMatchObject({ code: 'missing_feature', features: ['reads', 'writes'] })
  })

  test('the rule median fills and says so per row', async () => {
    await trainSmall(app, 'filled', { missing: 'median' })
    const { missing } = (await app.get('/models/filled/versions/1')).json<{ missing: { fill: number[] } }>()
    const rows = [{ cpu: null, latency: 12 }, { latency: 12 }, { cpu: missing.fill[0], latency: 12 }]
    const answer = (await app.post('/score', { model: 'filled', rows })).json<Answer>()
    expect(answer).toMatchObject({ unscored: 0 })
    expect(answer.results.map(({ filled }) => filled)).toEqual([['cpu'], ['cpu'], undefined])
    expect(new Set(answer.results.map((result) => result['score'])).size).toBe(1)
  })

  test('the rule skip leaves such rows out of training and unscored', async () => {
    const rows = markedRows().map((row, index) => (index % 2 ? { ...row, cpu: null } : row))
    expect(outcome(await app.post('/train', { model: 'skipped', rows, detector: smallForest }))).toBe(
      '422 too_many_missing',
    )
    const version = await trainSmall(app, 'skipped', { rows, missing: 'skip' })
    expect(version['training']).toMatchObject({ rows: 64, rowsUsed: 32, rowsLeftOut: 32, rowsFilled: 0 })
    const answer = (await app.post('/score', { model: 'skipped', rows: rows.slice(0, 4) })).json<Answer>()
    expect(answer).toMatchObject({ rows: 4, unscored: 2 })
    expect(answer.results.map(({ reason }) => reason)).toEqual([undefined, 'missing_value', undefined, 'missing_value'])
  })
})

describe('the form follows from Accept', () => {
  const cases: [string | undefined, string][] = [
    [undefined, 'application/json'],
    ['*/*', 'application/json'],
    ['application/*', 'application/json'],
    ['application/json', 'application/json'],
    ['application/x-ndjson', 'application/x-ndjson'],
    ['Application/X-NDJSON', 'application/x-ndjson'],
    ['application/json;q=0.5, application/x-ndjson', 'application/x-ndjson'],
    ['application/json, application/x-ndjson;q=0.9', 'application/json'],
    ['application/x-ndjson;q=0.2, */*;q=0.1', 'application/x-ndjson'],
    ['application/json;q=0, */*', 'application/x-ndjson'],
    ['image/png, application/x-ndjson;q=0.1', 'application/x-ndjson'],
    ['application/json;charset=utf-8', 'application/json'],
    ['application/json; indent=2; q=0.9, application/x-ndjson;q=0.1', 'application/json'],
    ['application/x-ndjson;profile="a,b;c", text/html', 'application/x-ndjson'],
    ['text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8', 'application/json'],
  ]
  for (const [accept, expected] of cases) {
    test(`${accept} gets ${expected}`, async () => {
      const reply = await score({ rows: [usual] }, accept === undefined ? {} : { accept })
      expect([outcome(reply), reply.headers['content-type']]).toEqual(['200', expected])
    })
  }

  for (const accept of [
    'image/png',
    'audio/*',
    'application/json;q=0',
    '*/*;q=0',
    'nonsense',
    'application/problem+json',
  ]) {
    test(`row 15: ${accept} gets 406, as a problem all the same`, async () => {
      expect(outcome(await score({ rows: [usual] }, { accept }))).toBe('406 not_acceptable')
    })
  }

  test('row 15: a form is chosen before the body is read and the model is looked for', async () => {
    const reply = await app.send('POST', '/score', {
      body: 'nonsense',
      headers: { accept: 'image/png', 'content-type': 'application/json' },
    })
    expect(outcome(reply)).toBe('406 not_acceptable')
  })

  test('row 15: routes with one form refuse an Accept that shuts it out', async () => {
    const shutOut: [string, string, string][] = [
      ['GET', '/models', 'image/png'],
      ['GET', '/models/web', 'text/html'],
      ['GET', '/models/web/versions/1', 'application/json;q=0'],
      ['GET', '/models/web/versions/1/trees/0', 'text/csv'],
      ['POST', '/train', 'application/x-ndjson'],
      ['GET', '/metrics', 'application/json'],
      ['GET', '/openapi.json', 'application/yaml'],
    ]
    for (const [method, path, accept] of shutOut)
      expect(outcome(await app.send(method, path, { headers: { accept } })), path).toBe('406 not_acceptable')
    // Probes are answered whatever they accept.
    for (const path of ['/livez', '/readyz']) expect(outcome(await app.get(path, { accept: 'text/plain' }))).toBe('200')
    // A browser gets to see the documents.
    for (const path of ['/openapi.yaml', '/models'])
      expect(outcome(await app.get(path, { accept: 'text/html,application/xml;q=0.9,*/*;q=0.8' }))).toBe('200')
  })
})

describe('NDJSON', () => {
  test('has a result a line and ends with the summary', async () => {
    const rows = [usual, strange, { cpu: null, latency: 1 }]
    const reply = await score({ rows, include: ['host'] }, { accept: 'application/x-ndjson' })
    expect(reply.text.endsWith('\n')).toBe(true)
    const lines = reply.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
    const { results, ...counts } = (await score({ rows, include: ['host'] })).json<Answer>()
    expect(lines).toEqual([...results, { summary: counts }])
  })

  test('without a row to return there is the summary alone', async () => {
    const reply = await score({ rows: [usual], return: 'none' }, { accept: 'application/x-ndjson' })
    expect(reply.json()).toMatchObject({ summary: { model: 'web', version: 1, rows: 1 } })
  })

  test('a refusal before the first line is a problem with its status', async () => {
    const reply = await score({ rows: [{}] }, { accept: 'application/x-ndjson' })
    expect(outcome(reply)).toBe('422 missing_feature')
  })
})

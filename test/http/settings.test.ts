import { beforeAll, describe, expect, test } from 'vitest'
import { type HttpApp, markedRows, outcome, serveApp, smallForest, trainSmall } from './client.ts'

let app: HttpApp
const rows = [{ cpu: 0.1, latency: 12 }]
const row = encodeURIComponent(JSON.stringify(rows))

beforeAll(async () => {
  app = await serveApp()
  await trainSmall(app, 'web')
  await trainSmall(app, 'web')
})

function query(settings: Readonly<Record<string, unknown>>): string {
  const search = new URLSearchParams()
  for (const [key, value] of Object.entries(settings))
    search.set(key, typeof value === 'string' ? value : JSON.stringify(value))
  return `?${search.toString()}`
}

describe('settings of query and body become one', () => {
  const cases: [string, string, object, string][] = [
    ['the query alone', '?model=web', { rows }, '200'],
    ['the same value twice', '?model=web', { model: 'web', rows }, '200'],
    ['another value', '?model=web@1', { model: 'web', rows }, '422 conflicting_parameter'],
    ['the same enum value', '?model=web&return=none', { rows, return: 'none' }, '200'],
    ['another enum value', '?model=web&return=none', { rows, return: 'all' }, '422 conflicting_parameter'],
    ['the same list as JSON text', '?model=web&include=["cpu"]', { rows, include: ['cpu'] }, '200'],
    [
      'the list in another order',
      '?model=web&include=["cpu","latency"]',
      { rows, include: ['latency', 'cpu'] },
      '422 conflicting_parameter',
    ],
    [
      'an object as JSON text, spaced',
      '?model=web&window={"from": "2026-01-01T00:00:00Z"}',
      { rows, window: { from: '2026-01-01T00:00:00Z' } },
      '422 missing_timestamp',
    ],
    ['an unknown key', '?model=web&tree=5', { rows }, '422 validation_failed'],
    ['an unknown key that is in the body too', '?model=web&tree=5', { rows, tree: 5 }, '422 conflicting_parameter'],
    ['a repeated key', '?model=web&model=web', { rows }, '400 duplicate_key'],
    ['a repeated key with other values', '?model=web&model=web@1', { rows }, '400 duplicate_key'],
    ['a key repeated in other words', '?model=web&m%6fdel=web', { rows }, '400 duplicate_key'],
    ['a list written as repeated keys', '?model=web&include[]=cpu&include[]=latency', { rows }, '400 duplicate_key'],
    ['a list without JSON', '?model=web&include=cpu', { rows }, '422 validation_failed'],
    ['JSON text that is cut short', '?model=web&include=["cpu"', { rows }, '422 validation_failed'],
    ['JSON text with a key twice', '?model=web&window={"from":"a","from":"b"}', { rows }, '400 duplicate_key'],
    ['an enum value out of bounds', '?model=web&return=some', { rows }, '422 validation_failed'],
    ['a bad model name', '?model=WEB', { rows }, '400 invalid_id'],
    ['an empty value', '?model=', { rows }, '400 invalid_id'],
    ['a key without a value', '?model', { rows }, '400 invalid_id'],
    ['the key __proto__', '?model=web&__proto__=1', { rows }, '422 validation_failed'],
    ['the key __proto__ as JSON', '?model=web&__proto__={"rows":[]}', { rows }, '422 validation_failed'],
    ['the key constructor', '?model=web&constructor=1', { rows }, '422 validation_failed'],
    ['the key toString', '?model=web&toString=1', { rows }, '422 validation_failed'],
    ['an empty key', '?model=web&=1', { rows }, '422 validation_failed'],
  ]
  for (const [what, search, body, expected] of cases) {
    test(`${what} answers ${expected}`, async () => {
      expect(outcome(await app.post(`/score${encodeURI(search).replaceAll('%25', '%')}`, body))).toBe(expected)
    })
  }

  test('a conflict names the parameter', async () => {
    const reply = await app.post('/score?model=web@1', { model: 'web@2', rows })
    expect(reply.json()).toMatchObject({ code: 'conflicting_parameter', parameter: 'model' })
  })

  test('a POST without a body takes everything from the query', async () => {
    const reply = await app.send('POST', `/score?model=web&rows=${row}`)
    expect(reply.json()).toMatchObject({ model: 'web', version: 2, rows: 1 })
  })

  test('every kind of setting can stand in the query of /train', async () => {
    const settings = {
      model: 'asked',
      detector: smallForest,
      threshold: { value: 0.62 },
      features: ['cpu', 'latency'],
      timeFeatures: 'auto',
      missing: 'skip',
      serve: true,
      entity: 'host',
    }
    const reply = await app.post(`/train${query(settings)}`, { rows: markedRows() })
    expect(outcome(reply)).toBe('201')
    expect(reply.json()).toMatchObject({
      model: 'asked',
      detector: { settings: smallForest },
      threshold: { value: 0.62, rule: { value: 0.62 } },
      roles: { entity: 'host' },
      missing: { rule: 'skip' },
    })
    const auto = await app.post('/train?model=asked&threshold=auto&serve=false&timeFeatures=[]', { rows: markedRows() })
    expect(auto.json()).toMatchObject({ version: 2, threshold: { rule: 'auto', value: 0.5 } })
    expect((await app.get('/models/asked')).json()).toMatchObject({ newest: 2, serving: 1 })
  })

  test('a text in the query is not taken for another type than its setting has', async () => {
    const numbered = markedRows().map((each) => ({ ...each, 5: 1, true: 2 }))
    const reply = await app.post('/train?model=typed&entity=5&features=["cpu","true"]', { rows: numbered })
    expect(outcome(reply)).toBe('201')
    expect(reply.json()).toMatchObject({ roles: { entity: '5' } })
  })
})

describe('the settings of PUT serving', () => {
  const put = (search: string, body?: unknown, type = 'application/json') =>
    app.send('PUT', `/models/web/serving${search}`, {
      ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': type } }),
    })
  const cases: [string, string, unknown, string, string][] = [
    ['a body', '', { version: 1 }, 'application/json', '200'],
    ['the query', '?version=2', undefined, '', '200'],
    ['both, the same', '?version=1', { version: 1 }, 'application/json', '200'],
    ['both, different', '?version=1', { version: 2 }, 'application/json', '422 conflicting_parameter'],
    ['nothing', '', undefined, '', '422 validation_failed'],
    ['a text', '', { version: '1' }, 'application/json', '422 validation_failed'],
    ['zero', '', { version: 0 }, 'application/json', '422 validation_failed'],
    ['an unknown key', '', { version: 1, force: true }, 'application/json', '422 validation_failed'],
    ['a version that is not there', '', { version: 99 }, 'application/json', '404 version_not_found'],
    ['telemetry', '?version=1', 'cpu,latency', 'text/csv', '415 unsupported_media_type'],
    ['multipart', '?version=1', 'x', 'multipart/form-data; boundary=b', '415 unsupported_media_type'],
  ]
  for (const [what, search, body, type, expected] of cases) {
    test(`${what} answers ${expected}`, async () => {
      expect(outcome(await put(search, body, type))).toBe(expected)
    })
  }
})

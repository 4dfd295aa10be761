import { beforeAll, describe, expect, test } from 'vitest'
import { type HttpApp, markedRows, outcome, type Reply, serveApp, smallForest, trainSmall } from './client.ts'

let app: HttpApp

beforeAll(async () => {
  app = await serveApp()
  await trainSmall(app, 'web')
})

const sendText = (path: string, body: string | Buffer) =>
  app.send('POST', path, { body, headers: { 'content-type': 'application/json' } })

const rowText = '{"cpu":0.1,"latency":12}'
const withRow = (row: string) => `{"model":"web","rows":[${rowText},${row}]}`

describe('JSON text is read strictly by /score and /train alike', () => {
  const cases: [number, string, string | Buffer, string][] = [
    [
      35,
      'invalid UTF-8',
      Buffer.from([...Buffer.from('{"model":"web","rows":[{"a":"'), 0xff, ...Buffer.from('"}]}')]),
      '400 malformed_json',
    ],
    [35, 'NaN', withRow('{"cpu":NaN,"latency":1}'), '400 malformed_json'],
    [35, 'Infinity', withRow('{"cpu":-Infinity,"latency":1}'), '400 malformed_json'],
    [35, 'a trailing comma', withRow('{"cpu":1,"latency":1,}'), '400 malformed_json'],
    [35, 'a comment', withRow('{"cpu":1/*one*/,"latency":1}'), '400 malformed_json'],
    [35, 'a lone surrogate', withRow('{"cpu":1,"latency":1,"host":"\\ud800"}'), '422 validation_failed'],
    [37, 'a key twice at the top', '{"model":"web","rows":[],"model":"web"}', '400 duplicate_key'],
    [37, 'a key twice in a row', withRow('{"cpu":1,"latency":1,"cpu":2}'), '400 duplicate_key'],
    [38, '__proto__ at the top', '{"model":"web","rows":[],"__proto__":{"polluted":1}}', '400 malformed_json'],
    [38, '__proto__ in a row', withRow('{"cpu":1,"latency":1,"__proto__":{"polluted":1}}'), '400 malformed_json'],
    [38, 'constructor.prototype', withRow('{"constructor":{"prototype":{"polluted":1}}}'), '400 malformed_json'],
    [39, '100,000 levels', withRow(`{"cpu":${'['.repeat(100_000)}${']'.repeat(100_000)}}`), '400 malformed_json'],
    [40, 'an unknown property', '{"model":"web","rows":[],"trees":5}', '422 validation_failed'],
    [42, '1e400', withRow('{"cpu":1e400,"latency":1}'), '422 validation_failed'],
    [45, 'a null row', withRow('null'), '422 validation_failed'],
    [45, 'an array for a row', withRow('[1,2]'), '422 validation_failed'],
    [45, 'a number for a row', withRow('5'), '422 validation_failed'],
    [45, 'rows that are an object', '{"model":"web","rows":{"0":{"cpu":1}}}', '422 validation_failed'],
    [45, 'rows that are null', '{"model":"web","rows":null}', '422 validation_failed'],
    [45, 'a body that is a list', `[${rowText}]`, '422 validation_failed'],
    [45, 'a body that is null', 'null', '422 validation_failed'],
    [45, 'a body that is a text', '"web"', '422 validation_failed'],
    [48, 'no model', '{"rows":[]}', '422 validation_failed'],
    [48, 'a model that is a number', '{"model":5,"rows":[]}', '422 validation_failed'],
    ...['', '.', '..', 'CON', '😀', 'Web', 'a'.repeat(65), 'a/b', 'a b', '-a', '_a', 'a\u0000', '../../etc/passwd'].map(
      (name): [number, string, string, string] => [
        48,
        `the model ${JSON.stringify(name.slice(0, 12))}`,
        JSON.stringify({ model: name, rows: [{ cpu: 1, latency: 1 }] }),
        '400 invalid_id',
      ],
    ),
  ]
  for (const [number, what, body, expected] of cases) {
    test(`row ${number}: ${what} answers ${expected}`, async () => {
      for (const path of ['/score', '/train']) expect(outcome(await sendText(path, body)), path).toBe(expected)
    })
  }

  test('T12: nothing of that reached a prototype', () => {
    expect(({} as { polluted?: unknown }).polluted).toBeUndefined()
  })

  test('short texts are read wherever they lie in memory', async () => {
    for (let space = 0; space < 8; space++)
      for (const text of ['1', '[]', '{ }'])
        expect(outcome(await sendText('/score', text + ' '.repeat(space)))).toBe('422 validation_failed')
  })

  test('row 36: a byte order mark is accepted', async () => {
    expect(outcome(await sendText('/score', `\ufeff${withRow(rowText)}`))).toBe('200')
  })

  test('row 40: an unknown property is named, and where it stands', async () => {
    const top = await app.post('/score', { model: 'web', rows: [], treeCount: 5 })
    expect(top.json()['detail']).toBe('treeCount: is not a setting here.')
    const deep = await app.post('/train', {
      model: 'web',
      rows: markedRows(),
      detector: { type: 'isolation-forest', treeCount: 5 },
    })
    expect(deep.json()['detail']).toBe('detector.treeCount: is not a setting here.')
  })

  test('row 44: -0 and 0 are the same row', async () => {
    const reply = await app.post('/score', { model: 'web', rows: [{ cpu: 0, latency: 0 }] })
    const signed = await sendText('/score', '{"model":"web","rows":[{"cpu":-0,"latency":-0.0}]}')
    expect(signed.text).toBe(reply.text)
  })

  test('row 45: a bad row is named by its position', async () => {
    const reply = await sendText('/score', `{"model":"web","rows":[${rowText},${rowText},null]}`)
    expect(reply.json()['detail']).toBe('rows.2: must be an object.')
  })

  test('row 45: ragged rows are rows with missing values, not an error', async () => {
    const reply = await app.post('/score', {
      model: 'web',
      rows: [{ cpu: 1, latency: 1 }, { cpu: 1 }, {}, { latency: 1, more: 2 }],
    })
    expect(reply.json()).toMatchObject({ rows: 4, unscored: 3 })
  })

  test('row 50: 100,001 rows are refused with a hint, 100,000 are scored', async () => {
    const body = (rows: number) =>
      `{"model":"web","rows":[${'{"cpu":1,"latency":2},'.repeat(rows - 1)}{"cpu":1,"latency":2}],"return":"none"}`
    const tooMany = await sendText('/score', body(100_001))
    expect(outcome(tooMany)).toBe('413 too_many_rows')
    expect(tooMany.json()).toMatchObject({
      limit: 100_000,
      rows: 100_001,
      detail: expect.stringContaining('Parquet') as string,
    })
    expect((await sendText('/score', body(100_000))).json()).toMatchObject({ rows: 100_000, unscored: 0, results: [] })
  })
})

describe('settings have bounds, which the answer names', () => {
  const detector = (settings: object) => ({ detector: { type: 'isolation-forest', ...settings } })
  const cases: [number, string, object, string][] = [
    [41, 'a number in quotes', detector({ trees: '12' }), 'detector.trees: must be a number.'],
    [41, '1 for a boolean', { serve: 1 }, 'serve: must be true or false.'],
    [41, 'a boolean in quotes', { serve: 'true' }, 'serve: must be true or false.'],
    [43, 'a seed past 2^53', detector({ seed: 2 ** 53 }), 'detector.seed: must be at most 9007199254740991.'],
    [46, 'no tree', detector({ trees: 0 }), 'detector.trees: must be at least 1.'],
    [46, '-1 trees', detector({ trees: -1 }), 'detector.trees: must be at least 1.'],
    [46, 'one and a half trees', detector({ trees: 1.5 }), 'detector.trees: must be a whole number.'],
    [46, 'a billion trees', detector({ trees: 1e9 }), 'detector.trees: must be at most '],
    [46, 'a sample of one', detector({ sampleSize: 1 }), 'detector.sampleSize: must be at least 2.'],
    [46, 'a depth of none', detector({ maxDepth: 0 }), 'detector.maxDepth: must be at least 1.'],
    [46, 'no contamination', { threshold: { contamination: 0 } }, 'threshold.contamination: must be more than 0.'],
    [
      46,
      'a contamination of 0.6',
      { threshold: { contamination: 0.6 } },
      'threshold.contamination: must be less than 0.5.',
    ],
    [
      46,
      'a contamination that is none',
      { threshold: { contamination: null } },
      'threshold.contamination: must be a number.',
    ],
    [46, 'two thresholds', { threshold: { contamination: 0.1, value: 0.5 } }, 'threshold.value: '],
    [
      46,
      'an unknown threshold',
      { threshold: 'high' },
      'threshold: must be "auto", or an object such as {"contamination": …}, or an object such as {"value": …}.',
    ],
    [46, 'an unknown detector', { detector: { type: 'forest' } }, 'detector.type: '],
    [47, 'a seed of -1', detector({ seed: -1 }), 'detector.seed: must be at least 0.'],
    [49, 'a threshold above 1', { threshold: { value: 1.5 } }, 'threshold.value: must be at most 1.'],
    [49, 'a threshold below 0', { threshold: { value: -0.1 } }, 'threshold.value: must be at least 0.'],
    [46, 'an unknown rule', { missing: 'zero' }, 'missing: must be "reject" or "median" or "skip".'],
    [46, 'no feature', { features: [] }, 'features: must have at least 1 items.'],
    [46, 'a feature twice', { features: ['cpu', 'cpu'] }, 'features: must not name a feature twice.'],
    [46, 'an unknown time feature', { timeFeatures: ['minute'] }, 'timeFeatures.0: '],
    [46, 'an unknown zone', { timeZone: 'Mars/Base' }, 'timeZone: '],
    [46, 'a window that narrows nothing', { window: {} }, 'window: must narrow the source.'],
    [
      46,
      'a window that ends before it begins',
      { window: { from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' } },
      'window: from must be before to.',
    ],
    [46, 'a window that is no time', { window: { from: 'yesterday' } }, 'window.from: must be an RFC 3339 time'],
  ]
  for (const [number, what, settings, detail] of cases) {
    test(`row ${number}: ${what} answers 422 and says ${detail}`, async () => {
      const reply = await app.post('/train', { model: 'bounds', rows: markedRows(), ...settings })
      expect(outcome(reply)).toBe('422 validation_failed')
      expect(String(reply.json()['detail']).slice(0, detail.length)).toBe(detail)
    })
  }

  test('row 43: a number that a double cannot hold is refused, not rounded', async () => {
    const reply = await sendText(
      '/train',
      `{"model":"bounds","rows":[{"a":1},{"a":2}],"detector":{"type":"isolation-forest","seed":9007199254740993}}`,
    )
    expect(outcome(reply)).toBe('422 validation_failed')
  })

  test('row 46: a sampleSize above the rows is clamped, with a warning and the effective value', async () => {
    const version = await trainSmall(app, 'clamped', { detector: { ...smallForest, sampleSize: 4096 } })
    expect(version).toMatchObject({
      detector: { settings: { sampleSize: 4096 }, effective: { sampleSize: 64, maxDepth: 6 } },
      warnings: expect.arrayContaining([expect.objectContaining({ code: 'sample_size_clamped' })]) as unknown[],
    })
  })

  test('a setting that would do nothing is refused', async () => {
    const rows = markedRows()
    const cases: [string, object, string][] = [
      ['/train', { model: 'bounds', rows, timeZone: 'Europe/Berlin' }, '422 unused_setting'],
      ['/train', { model: 'bounds', rows, timeFeatures: ['hour'] }, '422 missing_timestamp'],
      ['/train', { model: 'bounds', rows, window: { from: '2026-01-01T00:00:00Z' } }, '422 missing_timestamp'],
      ['/score', { model: 'web', rows, window: { from: '2026-01-01T00:00:00Z' } }, '422 missing_timestamp'],
      ['/score', { model: 'web', rows, return: 'none', include: ['cpu'] }, '422 unused_setting'],
      ['/train', { model: 'bounds' }, '422 validation_failed'],
      ['/score', { model: 'web' }, '422 validation_failed'],
      ['/train', { model: 'bounds', rows, source: { path: 'a.parquet' } }, '422 validation_failed'],
    ]
    for (const [path, body, expected] of cases)
      expect(outcome(await app.post(path, body)), JSON.stringify(body).slice(-80)).toBe(expected)
  })

  test('roles may name what is absent when scoring, and not when training', async () => {
    const roles = { entity: 'pod', label: 'fault', timestamp: 'time' }
    expect(outcome(await app.post('/score', { model: 'web', rows: markedRows(), ...roles }))).toBe('200')
    for (const [role, column] of Object.entries(roles)) {
      const reply = await app.post('/train', { model: 'bounds', rows: markedRows(), [role]: column })
      expect(outcome(reply)).toBe('422 unknown_column')
      expect(reply.json()).toMatchObject({ column, detail: expect.stringContaining(role) as string })
    }
  })
})

/** Members with the text `k0`, `k1`, ... each, and what stands between them. */
const keys = (count: number, between: string, distinct = count) =>
  Array.from({ length: count }, (_, key) => `"k${key % distinct}":"x"`).join(between)

describe('T14: big and deep texts', () => {
  const bodies: [string, () => string, string][] = [
    ['16 MiB of open lists', () => '['.repeat(16 * 1024 * 1024), '400 malformed_json'],
    [
      '100,000 nested lists in a row',
      () => withRow(`{"cpu":${'['.repeat(100_000)}1${']'.repeat(100_000)}}`),
      '400 malformed_json',
    ],
    ['a row of a million keys', () => withRow(`{${keys(1_000_000, ',')}}`), '422 too_many_columns'],
    [
      '100,000 rows with a key of their own',
      () => `{"model":"web","rows":[{${keys(99_999, '},{')}}]}`,
      '422 too_many_columns',
    ],
    ['100,000 rows with one of 4,000 keys', () => withRow(`{${keys(99_999, '},{', 4_000)}}`), '200'],
    ['a number of 1 MB', () => withRow(`{"cpu":${'1'.repeat(1_000_000)},"latency":1}`), '422 validation_failed'],
    ['a fraction of 1 MB', () => withRow(`{"cpu":0.${'1'.repeat(1_000_000)},"latency":1}`), '200'],
    ['100,000 rows that are none', () => `{"model":"web","rows":[${'0,'.repeat(99_999)}0]}`, '422 validation_failed'],
    [
      'one byte more than 16 MiB',
      () => `{"model":"web","rows":[],"x":"${'x'.repeat(16 * 1024 * 1024)}"}`,
      '413 body_too_large',
    ],
  ]
  for (const [what, makeBody, expected] of bodies) {
    test(`${what} answers ${expected} and the service goes on`, async () => {
      let reply: Reply | undefined
      const asked = sendText('/score', makeBody()).then((answer) => {
        reply = answer
      })
      // Health is answered in between, however long the text is.
      expect(outcome(await app.get('/livez'))).toBe('200')
      await asked
      expect(outcome(reply!)).toBe(expected)
    })
  }

  test('4,000 columns beside the features are passed over', async () => {
    const wide = Object.fromEntries(Array.from({ length: 4_000 }, (_, column) => [`c${column}`, column]))
    const reply = await app.post('/score', { model: 'web', rows: Array(10).fill({ ...wide, cpu: 1, latency: 2 }) })
    expect(reply.json()).toMatchObject({ rows: 10, unscored: 0 })
  })
})

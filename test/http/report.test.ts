/** Reports over HTTP: what can be asked for, what comes back, and what is kept of a training. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { exampleRows } from '../app.ts'
import { freshFolder } from '../endings.ts'
import { writeParquet } from '../reader/tools.ts'
import { inspectPage, parseXml } from '../reporting/tools.ts'
import { type HttpApp, serveApp } from './client.ts'

const hostile = ['<script>alert(1)</script>', "datum['x'].y[0]", '"} onload="alert(2)', 'a'.repeat(10_000)]
let app: HttpApp
let roots: string

/** Rows with a label, an entity and a column that says what its unit is. */
const labelled = (count = 200) =>
  exampleRows(count).map(({ ts, cpu, latency }, index) => ({
    ts,
    host: `h${index % 3}`,
    cpu,
    latency_ms: latency,
    known: index >= count - 2,
  }))

const detector = { type: 'isolation-forest', seed: 7 }

beforeAll(async () => {
  roots = await freshFolder()
  app = await serveApp({ DEEPWATCH_DATA_ROOTS: roots })
  const trained = await app.post('/train', {
    model: 'web',
    rows: labelled(),
    entity: 'host',
    label: 'known',
    timeZone: 'Europe/Prague',
    timeFeatures: ['hour'],
    detector,
  })
  expect(trained.status).toBe(201)
})

describe('the form of a report', () => {
  const accepted: [accept: string | undefined, query: string, type: string][] = [
    [undefined, '', 'text/html; charset=utf-8'],
    ['*/*', '', 'text/html; charset=utf-8'],
    ['text/html,application/xhtml+xml;q=0.9,*/*;q=0.8', '', 'text/html; charset=utf-8'],
    ['image/png', '', 'image/png'],
    ['image/svg+xml', '', 'image/svg+xml'],
    ['text/html;q=0.2, image/svg+xml;q=0.9', '', 'image/svg+xml'],
    ['image/*;q=0.5, text/html;q=0', '', 'image/svg+xml'],
    ['image/png', '?format=html', 'text/html; charset=utf-8'],
    ['application/json', '?format=png', 'image/png'],
  ]
  test.each(accepted)('Accept %s with %s is %s', async (accept, query, type) => {
    const headers = accept === undefined ? {} : { accept }
    const reply = await app.get(`/models/web/versions/1/report${query}`, headers)
    expect(reply.status).toBe(200)
    expect(reply.headers['content-type']).toBe(type)
    expect(reply.headers['deepwatch-model']).toBe('web@1')
    const posted = await app.post(`/report${query}`, { model: 'web', rows: labelled(20) }, headers)
    expect(posted.headers['content-type']).toBe(type)
  })

  test('is refused when there is none of it', async () => {
    for (const send of [
      (query: string, accept: string) => app.get(`/models/web/versions/1/report${query}`, { accept }),
      (query: string, accept: string) => app.post(`/report${query}`, { model: 'web', rows: labelled(20) }, { accept }),
    ]) {
      expect((await send('', 'application/json')).json()).toMatchObject({ status: 406, code: 'not_acceptable' })
      expect((await send('', 'text/html;q=0')).json()).toMatchObject({ code: 'not_acceptable' })
      expect((await send('?format=pdf', 'text/html')).json()).toMatchObject({ status: 422, code: 'validation_failed' })
      expect((await send('?form=png', 'text/html')).json()).toMatchObject({ status: 422, code: 'validation_failed' })
    }
  })

  test('may be named in the body, and then beats Accept too', async () => {
    const reply = await app.post(
      '/report',
      { model: 'web', rows: labelled(20), format: 'svg' },
      { accept: 'application/json' },
    )
    expect(reply.headers['content-type']).toBe('image/svg+xml')
    const twice = await app.post('/report?format=png', { model: 'web', rows: labelled(20), format: 'svg' })
    expect(twice.json()).toMatchObject({ code: 'conflicting_parameter' })
  })
})

describe('a report of a source', () => {
  test('is a page that runs and loads nothing, under a policy that says so', async () => {
    const reply = await app.post('/report', { model: 'web', rows: labelled(), label: 'known', entity: 'host' })
    expect(reply.status).toBe(200)
    inspectPage(reply.text)
    const policy = reply.headers['content-security-policy']!
    expect(policy).toMatch(
      /^default-src 'none'; style-src 'sha256-[\w+/]+='; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
    )
    expect(reply.text).toContain(policy.replace("; frame-ancestors 'none'", ''))
    for (const heading of [
      'Score over time',
      'Most anomalous rows',
      'Distribution of scores',
      'Flags by hour and weekday',
      'Flags by entity',
      'Against the labels',
      'Features',
      'How it was trained',
    ])
      expect(reply.text).toContain(`<h2>${heading}</h2>`)
    expect(reply.text).toContain('Europe/Prague')
    expect(reply.text).toMatch(/latency_ms.*usual [\d.]+ to [\d.]+\u00a0ms/s)
    // 2026-01-05 03:30 UTC is 4:30 in Prague.
    expect(reply.text).toContain('2026-01-05 04:30')
  })

  test('says the same of rows, a file and an upload, byte for byte but for the name', async () => {
    const columns = labelled().map(
      ({ ts, host, cpu, latency_ms, known }) =>
        `('${ts}'::timestamptz::timestamp, '${host}', ${cpu}::double, ${latency_ms}::double, ${known})`,
    )
    await writeParquet(
      join(roots, 'web.parquet'),
      `select * from (values ${columns.join(', ')}) t(ts, host, cpu, latency_ms, known)`,
    )
    const settings = { model: 'web', label: 'known', entity: 'host' }
    const named = await app.post('/report', { ...settings, source: { path: 'web.parquet' } })
    const again = await app.post('/report', { ...settings, source: { path: 'web.parquet' } })
    expect(named.status).toBe(200)
    expect(again.text).toBe(named.text)
    const sent = await app.send('POST', `/report?model=web&label=known&entity=host`, {
      body: readFileSync(join(roots, 'web.parquet')),
      headers: { 'content-type': 'application/vnd.apache.parquet' },
    })
    expect(sent.text).toBe(named.text.replace('<bdi>web.parquet</bdi>', 'an uploaded file'))
    const rows = await app.post('/report', { ...settings, rows: labelled() })
    expect(rows.text).toBe(named.text.replace('<bdi>web.parquet</bdi>', 'rows sent as JSON'))
  })

  test('judges the flags as /evaluate does', async () => {
    const settings = { model: 'web', rows: labelled(), label: 'known' }
    const { confusion, precision, averagePrecision } = (await app.post('/evaluate', settings)).json<{
      confusion: { tp: number; fp: number; fn: number }
      precision: number
      averagePrecision: number
    }>()
    const { text } = await app.post('/report', settings)
    expect(text).toContain(`<th class="left" scope="row">anomaly</th><td>${confusion.tp}</td>`)
    expect(text).toContain(`average precision</th><td>${averagePrecision.toFixed(3)}</td>`)
    expect(precision).toBeGreaterThan(0)
  })

  test('says in a sentence why flags are not judged', async () => {
    const one = labelled().map((row) => ({ ...row, known: false }))
    expect((await app.post('/report', { model: 'web', rows: one, label: 'known' })).text).toContain(
      'No labelled row is an anomaly',
    )
    const all = labelled().map((row) => ({ ...row, known: true }))
    expect((await app.post('/report', { model: 'web', rows: all, label: 'known' })).text).toContain(
      'Every labelled row is an anomaly',
    )
    const none = labelled().map((row) => ({ ...row, known: null }))
    expect((await app.post('/report', { model: 'web', rows: none, label: 'known' })).text).toContain(
      'No scored row has a label',
    )
    const without = labelled().map(({ known: _, ...row }) => row)
    expect((await app.post('/report', { model: 'web', rows: without })).text).not.toContain('judged')
  })

  test('raises no counters, and leaves nothing in the spool', async () => {
    const count = async () =>
      /deepwatch_rows_scored_total\{model="web",version="1"\} (\d+)/.exec((await app.get('/metrics')).text)![1]
    const before = await count()
    await app.post('/report', { model: 'web', rows: labelled() })
    expect(await count()).toBe(before)
    expect(readdirSync(join(app.home, 'spool'))).toEqual([])
  })

  test('weighs the same for 500 rows and for 200,000', async () => {
    const query = (count: number) =>
      `select make_timestamp(1767225600000000 + (i * 172800000000) // ${count}) as ts, 'h' || (i % 50) as host, 0.5 + 0.3 * sin(i / ${count / 12}) as cpu, case when i % 400 = 7 then 900.0 else 12 + sin(i) end as latency_ms, i % 400 = 7 as known from range(${count}) t(i)`
    const sizes: number[] = []
    for (const count of [500, 200_000]) {
      await writeParquet(join(roots, `${count}.parquet`), query(count))
      const reply = await app.post('/report', {
        model: 'web',
        source: { path: `${count}.parquet` },
        label: 'known',
        entity: 'host',
      })
      expect(reply.status).toBe(200)
      sizes.push(reply.bytes.length)
    }
    expect(sizes[1]).toBeLessThan(1.5 * sizes[0]!)
    expect(sizes[1]).toBeLessThan(300_000)
  })

  test('is refused as a scoring is', async () => {
    const codeOf = async (body: unknown) => (await app.post('/report', body)).json()['code']
    expect(await codeOf({ model: 'nobody', rows: labelled(5) })).toBe('model_not_found')
    expect(await codeOf({ model: 'web@9', rows: labelled(5) })).toBe('version_not_found')
    expect(await codeOf({ model: 'web', rows: [{ ts: '2026-01-01T00:00:00Z', cpu: 1 }] })).toBe('missing_feature')
    expect(await codeOf({ model: 'web', source: { path: 'none.parquet' } })).toBe('source_not_found')
    expect(await codeOf({ model: 'web', rows: labelled(5), return: 'all' })).toBe('validation_failed')
    expect(await codeOf({ model: 'web' })).toBe('validation_failed')
    const odd = labelled(5).map((row, index) => ({ ...row, known: index }))
    expect(await codeOf({ model: 'web', rows: odd, label: 'known' })).toBe('type_mismatch')
  })
})

test('columns, hosts and everything else from outside are text', async () => {
  const rows = exampleRows(60).map(({ ts, cpu, latency }, index) => ({
    ts,
    'ho<st>': index % 2 ? '</svg><script>alert(3)</script>' : '\u202eevil\u0007',
    ...Object.fromEntries(hostile.map((name, lane) => [name, cpu * (lane + 1) + latency])),
  }))
  expect((await app.post('/train', { model: 'hostile', rows, entity: 'ho<st>', detector })).status).toBe(201)
  const pages = [
    await app.get('/models/hostile/versions/1/report'),
    await app.post('/report', { model: 'hostile', rows }),
  ]
  for (const { text } of pages) {
    inspectPage(text)
    expect(text).toContain('&lt;script&gt;alert(1)&lt;/script&gt;')
    expect(text).not.toContain('a'.repeat(300))
  }
  parseXml((await app.post('/report?format=svg', { model: 'hostile', rows })).text)
})

describe('the report of a version', () => {
  const kept = (model: string, version: number) => join(app.home, 'reports', model, `${version}.json`)

  test('shows what training saw', async () => {
    const { text, status } = await app.get('/models/web/versions/1/report')
    expect(status).toBe(200)
    inspectPage(text)
    for (const heading of [
      'Score over time',
      'Most anomalous rows',
      'Flags by hour and weekday',
      'Against the labels',
      'Features',
      'How it was trained',
    ])
      expect(text).toContain(`<h2>${heading}</h2>`)
    expect(text).toContain('rows sent as JSON')
    expect(readFileSync(kept('web', 1)).length).toBeLessThan(100 * 1024)
  })

  test('is the same for rows and for a file', async () => {
    const settings = { entity: 'host', label: 'known', timeZone: 'Europe/Prague', timeFeatures: ['hour'], detector }
    const reports = []
    for (const [model, source] of [
      ['from-rows', { rows: labelled() }],
      ['from-file', { source: { path: 'web.parquet' } }],
    ] as const) {
      expect((await app.post('/train', { model, ...source, ...settings })).status).toBe(201)
      reports.push((JSON.parse(readFileSync(kept(model, 1), 'utf8')) as { report: object }).report)
    }
    expect(reports[0]).toMatchObject({ aggregate: { rows: 200, entities: { others: 1 } } })
    expect(reports[0]).toEqual(reports[1])
  })

  test('shows what the version document knows when nothing else was kept, or it is damaged, and says so', async () => {
    expect((await app.post('/train', { model: 'bare', rows: labelled(), detector })).status).toBe(201)
    const whole = readFileSync(kept('bare', 1), 'utf8')
    writeFileSync(kept('bare', 1), whole.replace('"rows":', '"rows" :1'))
    const damaged = await app.get('/models/bare/versions/1/report')
    expect(damaged.text).toContain('is damaged')
    writeFileSync(kept('bare', 1), whole.replace(/"payload":"[0-9a-f]{4}/, '"payload":"0000'))
    const strange = await app.get('/models/bare/versions/1/report')
    expect(strange.text).toContain('Nothing but the version document was kept')
    for (const { status, text } of [damaged, strange]) {
      expect(status).toBe(200)
      inspectPage(text)
      for (const heading of ['Distribution of scores', 'Features', 'How it was trained'])
        expect(text).toContain(`<h2>${heading}</h2>`)
      expect(text).not.toContain('<h2>Most anomalous rows</h2>')
    }
    for (const format of ['svg', 'png'])
      expect((await app.get(`/models/bare/versions/1/report?format=${format}`)).status).toBe(200)
  })

  test('goes with its version and with its model', async () => {
    for (let version = 1; version <= 3; version++)
      await app.post('/train', { model: 'brief', rows: labelled(), detector })
    expect([1, 2, 3].map((version) => existsSync(kept('brief', version)))).toEqual([true, true, true])
    await app.send('DELETE', '/models/brief/versions/2')
    expect([1, 2, 3].map((version) => existsSync(kept('brief', version)))).toEqual([true, false, true])
    expect((await app.get('/models/brief/versions/2/report')).json()).toMatchObject({ code: 'version_not_found' })
    await app.send('DELETE', '/models/brief')
    expect(existsSync(join(app.home, 'reports/brief'))).toBe(false)
    expect((await app.get('/models/brief/versions/1/report')).json()).toMatchObject({ code: 'model_not_found' })
    expect((await app.get('/models/web/versions/x/report')).json()).toMatchObject({ status: 400, code: 'invalid_id' })
  })
})

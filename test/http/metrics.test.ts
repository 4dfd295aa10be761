import { beforeAll, describe, expect, test } from 'vitest'
import { type HttpApp, markedRows, serveApp, trainSmall } from './client.ts'
import { type Exposition, readExposition } from './exposition.ts'
import { exchange, holdAnswer, rawRequest } from './wire.ts'

const formats = { text: 'text/plain', openmetrics: 'application/openmetrics-text' } as const
type Format = keyof typeof formats

async function scrape(app: HttpApp, format: Format = 'text'): Promise<Exposition> {
  return readExposition((await app.get('/metrics', { accept: formats[format] })).text, format)
}

/** A metric as the contract names it, with its type and labels. */
const contract: [string, string, readonly string[]][] = [
  ['deepwatch_build_info', 'gauge', ['version', 'node', 'zones']],
  ['deepwatch_rows_scored_total', 'counter', ['model', 'version']],
  ['deepwatch_anomalies_total', 'counter', ['model', 'version']],
  ['deepwatch_rows_rejected_total', 'counter', ['model', 'reason']],
  ['deepwatch_anomaly_score', 'histogram', ['model']],
  ['deepwatch_score_threshold', 'gauge', ['model', 'version']],
  ['deepwatch_models_loaded', 'gauge', []],
  ['deepwatch_model_trained_timestamp_seconds', 'gauge', ['model', 'version']],
  ['deepwatch_train_duration_seconds', 'histogram', []],
  ['deepwatch_score_duration_seconds', 'histogram', ['stage']],
  ['deepwatch_pool_queue_size', 'gauge', []],
  ['deepwatch_pool_utilization_ratio', 'gauge', []],
  ['deepwatch_reader_deaths_total', 'counter', []],
  ['deepwatch_jobs', 'gauge', ['state']],
  ['deepwatch_http_request_duration_seconds', 'histogram', ['route', 'method', 'status']],
  ['process_cpu_seconds_total', 'counter', []],
  ['process_resident_memory_bytes', 'gauge', []],
  ['process_open_fds', 'gauge', []],
  ['nodejs_eventloop_lag_seconds', 'gauge', []],
]

const usual = { cpu: 0.1, latency: 12 }
const strange = { cpu: 50, latency: 2e7 }
const missing = { cpu: null, latency: 1 }

describe('after known traffic', () => {
  let app: HttpApp
  let flagged: number

  beforeAll(async () => {
    app = await serveApp()
    await trainSmall(app, 'web', { threshold: { contamination: 0.1 } })
  })

  test('counters are there at 0 before the first score', async () => {
    for (const format of ['text', 'openmetrics'] as const) {
      const metrics = await scrape(app, format)
      const pair = { model: 'web', version: '1' }
      expect(metrics.value('deepwatch_rows_scored_total', pair)).toBe(0)
      expect(metrics.value('deepwatch_anomalies_total', pair)).toBe(0)
      for (const reason of ['missing_value', 'non_finite_value'])
        expect(metrics.value('deepwatch_rows_rejected_total', { model: 'web', reason })).toBe(0)
      expect(metrics.value('deepwatch_anomaly_score_count', { model: 'web' })).toBe(0)
      expect(metrics.value('deepwatch_anomaly_score_bucket', { model: 'web', le: '+Inf' })).toBe(0)
      expect(metrics.value('deepwatch_reader_deaths_total')).toBe(0)
      for (const stage of ['kernel', 'total'])
        expect(metrics.value('deepwatch_score_duration_seconds_count', { stage })).toBe(0)
      for (const state of ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'interrupted'])
        expect(metrics.value('deepwatch_jobs', { state })).toBe(0)
    }
  })

  test('rows, anomalies and rejections are correct to the row in both formats', async () => {
    const score = (body: object, headers: Readonly<Record<string, string>> = {}) =>
      app.post('/score', { model: 'web', ...body }, headers)
    const first = await score({ rows: [usual, strange, missing, usual] })
    flagged = first.json<{ anomalies: number }>().anomalies
    expect(flagged).toBe(1)
    await score({ rows: [usual, missing, missing], return: 'none' })
    await score({ rows: [strange, strange] }, { accept: 'application/x-ndjson' })
    await score({ rows: [] })
    // None of these is a scored row.
    await score({ rows: [{}] })
    await score({ rows: [usual], nonsense: 1 })
    await score({ rows: [usual] }, { accept: 'image/png' })
    await app.post('/evaluate', {
      model: 'web',
      rows: [
        { ...usual, y: 0 },
        { ...strange, y: 1 },
      ],
      label: 'y',
    })
    for (const format of ['text', 'openmetrics'] as const) {
      const metrics = await scrape(app, format)
      const pair = { model: 'web', version: '1' }
      expect(metrics.value('deepwatch_rows_scored_total', pair)).toBe(6)
      expect(metrics.value('deepwatch_anomalies_total', pair)).toBe(3)
      expect(metrics.value('deepwatch_rows_rejected_total', { model: 'web', reason: 'missing_value' })).toBe(3)
      expect(metrics.value('deepwatch_anomaly_score_count', { model: 'web' })).toBe(6)
      expect(metrics.value('deepwatch_anomaly_score_bucket', { model: 'web', le: '+Inf' })).toBe(6)
      expect(metrics.value('deepwatch_score_duration_seconds_count', { stage: 'total' })).toBe(4)
      expect(metrics.value('deepwatch_train_duration_seconds_count')).toBe(1)
      expect(metrics.value('deepwatch_models_loaded')).toBe(1)
      expect(
        metrics.value('deepwatch_http_request_duration_seconds_count', {
          route: '/score',
          method: 'POST',
          status: '200',
        }),
      ).toBe(4)
      expect(
        metrics.value('deepwatch_http_request_duration_seconds_count', {
          route: '/score',
          method: 'POST',
          status: '422',
        }),
      ).toBe(2)
      expect(
        metrics.value('deepwatch_http_request_duration_seconds_count', {
          route: '/score',
          method: 'POST',
          status: '406',
        }),
      ).toBe(1)
    }
  })

  test('the histogram of scores adds up to the scores that were answered', async () => {
    const rows = markedRows().map(({ cpu, latency }) => ({ cpu, latency }))
    const before = await scrape(app)
    const { results } = (await app.post('/score', { model: 'web', rows })).json<{ results: { score: number }[] }>()
    const after = await scrape(app)
    const grown = (name: string, labels: Record<string, string>) =>
      after.value(name, labels)! - before.value(name, labels)!
    const scores = results.map(({ score }) => score)
    expect(grown('deepwatch_anomaly_score_sum', { model: 'web' })).toBeCloseTo(
      scores.reduce((sum, score) => sum + score, 0),
      9,
    )
    const bounds = after.samples.filter(
      ({ name, labels }) => name === 'deepwatch_anomaly_score_bucket' && labels['model'] === 'web',
    )
    expect(bounds.length).toBeGreaterThan(10)
    for (const { labels } of bounds) {
      const le = labels['le'] === '+Inf' ? Number.POSITIVE_INFINITY : Number(labels['le'])
      expect(grown('deepwatch_anomaly_score_bucket', { model: 'web', le: labels['le']! }), `le ${le}`).toBe(
        scores.filter((score) => score <= le).length,
      )
    }
  })

  for (const format of ['text', 'openmetrics'] as const) {
    test(`every metric of the contract is there as ${format}, with its type, its help and its labels`, async () => {
      const metrics = await scrape(app, format)
      for (const [name, type, labels] of contract) {
        const family = format === 'openmetrics' && type === 'counter' ? name.replace(/_total$/, '') : name
        expect(metrics.types.get(family), name).toBe(type)
        expect(metrics.help.has(family), name).toBe(true)
        const series = metrics.samples.filter((sample) => sample.name === name || sample.name === `${name}_count`)
        expect(series.length, name).toBeGreaterThan(0)
        for (const sample of series) expect(Object.keys(sample.labels).sort(), name).toEqual([...labels].sort())
      }
      for (const name of metrics.types.keys()) expect(name).toMatch(/^(deepwatch|process|nodejs)_/)
    })
  }

  test('the format follows from Accept as Prometheus sends it', async () => {
    const cases: [string | undefined, RegExp][] = [
      [undefined, /^text\/plain; version=0\.0\.4/],
      ['*/*', /^text\/plain/],
      ['text/plain;version=0.0.4;q=0.5,*/*;q=0.1', /^text\/plain/],
      ['application/openmetrics-text', /^application\/openmetrics-text; version=1\.0\.0/],
      [
        'application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2',
        /^application\/openmetrics-text/,
      ],
      [
        'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.7,application/openmetrics-text;version=1.0.0;q=0.6,*/*;q=0.1',
        /^application\/openmetrics-text/,
      ],
      ['application/openmetrics-text;q=0.1, text/plain;q=0.2', /^text\/plain/],
    ]
    for (const [accept, type] of cases) {
      const reply = await app.get('/metrics', accept === undefined ? {} : { accept })
      expect(reply.headers['content-type'], accept).toMatch(type)
    }
  })
})

describe('T15: labels come from closed sets', () => {
  test('strange addresses, methods and names add no series', async () => {
    const app = await serveApp()
    await trainSmall(app, 'web')
    const noise = async (from: number, to: number) => {
      const lines = Array.from({ length: to - from }, (_, index) => {
        const each = from + index
        return rawRequest(`${['GET', 'PROPFIND', 'TRACE', 'MKCOL', 'PUT'][each % 5]} /${each}/models`, {
          Connection: 'keep-alive',
        })
      })
      await exchange(app.url, [lines.join(''), rawRequest('GET /livez')])
      for (const model of [`m${from}`, `x${to}`]) {
        await app.post('/score', { model, rows: [usual] })
        await app.get(`/models/${model}`)
      }
    }
    await noise(0, 50)
    await scrape(app)
    const before = await scrape(app)
    await noise(50, 1000)
    const after = await scrape(app)
    const known = new Set(before.samples.map(({ name, labels }) => JSON.stringify([name, labels])))
    const added = after.samples.filter(
      ({ name, labels }) => name.startsWith('deepwatch_') && !known.has(JSON.stringify([name, labels])),
    )
    expect(added).toEqual([])
    const routes = new Set(after.samples.map(({ labels }) => labels['route']))
    expect(routes).toEqual(new Set([undefined, 'unmatched', '/livez', '/train', '/score', '/models/:name', '/metrics']))
    const methods = new Set(after.samples.map(({ labels }) => labels['method']))
    expect([...methods].sort()).toEqual(['GET', 'POST', 'PUT', 'other', undefined])
  })

  test('models past the cap are folded into other, and no row is lost', async () => {
    const app = await serveApp({ DEEPWATCH_METRIC_MODELS: '2' })
    for (const model of ['a', 'b', 'c', 'd']) await trainSmall(app, model)
    for (const model of ['a', 'b', 'c', 'd']) await app.post('/score', { model, rows: [usual, missing] })
    const metrics = await scrape(app)
    const models = new Set(metrics.samples.map(({ labels }) => labels['model']))
    expect(models).toEqual(new Set([undefined, 'a', 'b', 'other']))
    expect(metrics.value('deepwatch_rows_scored_total', { model: 'a', version: '1' })).toBe(1)
    expect(metrics.value('deepwatch_rows_scored_total', { model: 'other', version: 'other' })).toBe(2)
    expect(metrics.value('deepwatch_rows_rejected_total', { model: 'other', reason: 'missing_value' })).toBe(2)
    expect(metrics.value('deepwatch_anomaly_score_count', { model: 'other' })).toBe(2)
    expect(metrics.value('deepwatch_score_threshold', { model: 'other', version: 'other' })).toBeUndefined()
  })

  test('a model keeps the series of its newest versions, and rows of older ones are counted as other', async () => {
    const app = await serveApp()
    for (let version = 1; version <= 7; version++) await trainSmall(app, 'web')
    const versions = async () =>
      (await scrape(app)).samples
        .filter(({ name }) => name === 'deepwatch_rows_scored_total')
        .map(({ labels }) => labels['version'])
    expect((await versions()).sort()).toEqual(['3', '4', '5', '6', '7'])
    await app.post('/score', { model: 'web@1', rows: [usual] })
    expect((await versions()).sort()).toEqual(['3', '4', '5', '6', '7', 'other'])
    expect((await scrape(app)).value('deepwatch_rows_scored_total', { model: 'web', version: 'other' })).toBe(1)
  })

  test('what is deleted leaves the metrics, and an answer that ends later does not bring it back', async () => {
    const app = await serveApp({ DEEPWATCH_METRIC_MODELS: '1' })
    await trainSmall(app, 'old')
    await trainSmall(app, 'old')
    await app.send('DELETE', '/models/old/versions/1')
    const series = async () => (await scrape(app)).samples.filter(({ labels }) => 'model' in labels)
    expect(new Set((await series()).map(({ labels }) => labels['version']))).toEqual(new Set(['2', undefined]))
    const answer = await holdAnswer(app.url, 'old')
    await app.send('DELETE', '/models/old')
    expect(await series()).toEqual([])
    await answer.rest()
    const labels = new Set((await series()).map((sample) => sample.labels['model']))
    expect([...labels].filter((model) => model !== 'other')).toEqual([])
    // Its place under the cap is free for the next one.
    await trainSmall(app, 'new')
    expect((await scrape(app)).value('deepwatch_rows_scored_total', { model: 'new', version: '1' })).toBe(0)
  })

  test('models that were there before a restart show their counters at once', async () => {
    const before = await serveApp()
    await trainSmall(before, 'kept')
    await before.stop()
    const app = await serveApp({ DEEPWATCH_HOME: before.home })
    const metrics = await scrape(app)
    expect(metrics.value('deepwatch_rows_scored_total', { model: 'kept', version: '1' })).toBe(0)
    expect(metrics.value('deepwatch_score_threshold', { model: 'kept', version: '1' })).toBeGreaterThan(0)
    expect(metrics.value('deepwatch_model_trained_timestamp_seconds', { model: 'kept', version: '1' })).toBeGreaterThan(
      1.7e9,
    )
  })
})

import { createReadStream, createWriteStream } from 'node:fs'
import { join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { request } from 'undici'
import { beforeAll, describe, expect, test } from 'vitest'
import type { VersionDocument } from '../../src/schemas/model.ts'
import { exampleRows, startApp, type TestApp } from '../app.ts'
import { freshFolder } from '../endings.ts'
import { sql, writeParquet } from '../reader/tools.ts'

type Body = Record<string, unknown>
let service: TestApp

beforeAll(async () => {
  service = await startApp()
})

async function post(path: string, body: Body): Promise<{ status: number; body: Body }> {
  const answer = await request(`${service.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.statusCode, body: (await answer.body.json()) as Body }
}

const forest = (seed = 1, rest: Body = {}) => ({ type: 'isolation-forest', seed, ...rest })

async function train(body: Body): Promise<VersionDocument> {
  const answer = await post('/train', { model: 'm', detector: forest(), ...body })
  expect(answer.body['code']).toBeUndefined()
  expect(answer.status).toBe(201)
  return answer.body as unknown as VersionDocument
}

async function refused(body: Body): Promise<Body> {
  const answer = await post('/train', { model: 'refused', detector: forest(), ...body })
  expect(answer.status).toBeGreaterThanOrEqual(400)
  expect(answer.status).toBeLessThan(500)
  return answer.body
}

const scores = async (model: string, rows: Body[], rest: Body = {}) =>
  (await post('/score', { model, rows, ...rest })).body['results'] as {
    row: number
    score: number | null
    isAnomaly: boolean
    reason?: string
    features?: string[]
    filled?: string[]
  }[]

describe('what cannot be trained is refused by name', () => {
  const rows = exampleRows(40)
  test.each<[string, Body, string]>([
    ['no rows', { rows: [] }, 'insufficient_data'],
    ['one row', { rows: rows.slice(0, 1) }, 'insufficient_data'],
    ['no source', {}, 'validation_failed'],
    ['two sources', { rows, source: { path: 'a.parquet' } }, 'validation_failed'],
    ['a label that is not there', { rows, label: 'nope' }, 'unknown_column'],
    ['a feature that is not there', { rows, features: ['nope'] }, 'unknown_column'],
    [
      'a feature that is text',
      { rows: rows.map((row) => ({ ...row, host: 'a' })), features: ['host'] },
      'type_mismatch',
    ],
    [
      'numbers among texts',
      { rows: rows.map((row, n) => ({ ...row, cpu: n === 7 ? '0.5' : row.cpu })) },
      'type_mismatch',
    ],
    ['a role that is a feature', { rows, entity: 'cpu', features: ['cpu'] }, 'validation_failed'],
    ['one column with two roles', { rows, entity: 'cpu', label: 'cpu' }, 'validation_failed'],
    ['a number as timestamp', { rows, timestamp: 'cpu' }, 'ambiguous_timestamp'],
    ['two timestamps, none named', { rows: rows.map((row) => ({ ...row, seen: row.ts })) }, 'ambiguous_timestamp'],
    ['nothing numeric', { rows: rows.map(({ ts }) => ({ ts })) }, 'no_features'],
    ['nothing that varies', { rows: rows.map(() => ({ a: 1, b: true })) }, 'no_variance'],
    [
      'our own output as a feature',
      { rows: rows.map((row) => ({ ...row, anomaly_score: 0.5 })), features: ['anomaly_score'] },
      'validation_failed',
    ],
    [
      'a window without a timestamp',
      { rows: rows.map(({ cpu }) => ({ cpu })), window: { from: '2026-01-01T00:00:00Z' } },
      'missing_timestamp',
    ],
    [
      'time features without a timestamp',
      { rows: rows.map(({ cpu }) => ({ cpu })), timeFeatures: ['hour'] },
      'missing_timestamp',
    ],
    [
      'a zone that would do nothing',
      { rows: rows.map(({ cpu }) => ({ cpu })), timeZone: 'Europe/Prague' },
      'unused_setting',
    ],
    ['a zone without time features', { rows, timeFeatures: [], timeZone: 'Europe/Prague' }, 'unused_setting'],
    ['a zone that does not exist', { rows, timeZone: 'Europe/Atlantis' }, 'validation_failed'],
    [
      'a window that is backwards',
      { rows, window: { from: '2026-01-02T00:00:00Z', to: '2026-01-01T00:00:00Z' } },
      'validation_failed',
    ],
    [
      'more memory than allowed',
      { rows: exampleRows(90_000), detector: forest(1, { trees: 1000, sampleSize: 65_536 }) },
      'training_too_large',
    ],
    [
      'missing values in the only asked column',
      { rows: rows.map((row) => ({ ...row, gone: null })), features: ['cpu', 'gone'], missing: 'median' },
      'too_many_missing',
    ],
  ])('%s', async (_, body, code) => {
    expect(await refused(body)).toMatchObject({ code })
  })

  test('a refusal for missing values names column, count and first rows', async () => {
    const gaps = rows.map((row, n) => ({ ...row, cpu: n % 10 === 3 ? null : row.cpu }))
    expect(await refused({ rows: gaps })).toMatchObject({
      code: 'too_many_missing',
      affectedRows: 4,
      rows: 40,
      columns: [{ column: 'cpu', rows: 4, firstRows: [3, 13, 23] }],
    })
  })

  test('with a window the first rows are positions in the source', async () => {
    const gaps = rows.map((row, n) => ({ ...row, cpu: n % 10 === 3 ? null : row.cpu }))
    expect(await refused({ rows: gaps, window: { from: rows[10]!.ts } })).toMatchObject({
      rows: 30,
      columns: [{ firstRows: [13, 23, 33] }],
    })
  })
})

describe('a trained version', () => {
  test('has the same bytes for the same seed, others for another, and says the seed it chose', async () => {
    const rows = exampleRows(400)
    const [first, again, other] = [
      await train({ rows }),
      await train({ rows }),
      await train({ rows, detector: forest(2) }),
    ]
    expect(again.payload.sha256).toBe(first.payload.sha256)
    expect(again.training.fingerprint).toBe(first.training.fingerprint)
    expect(other.payload.sha256).not.toBe(first.payload.sha256)
    expect(other.training.fingerprint).toBe(first.training.fingerprint)
    const drawn = await train({ rows, detector: { type: 'isolation-forest' } })
    const { seed } = drawn.detector.effective as { seed: number }
    expect((await train({ rows, detector: forest(seed) })).payload.sha256).toBe(drawn.payload.sha256)
  })

  test('flags at most the contamination, and says the share it really flags', async () => {
    const rows = exampleRows(1000)
    for (const contamination of [0.001, 0.01, 0.1, 0.49]) {
      const { threshold } = await train({ rows, threshold: { contamination } })
      expect(threshold.exact).toBe(true)
      expect(threshold.flaggedShare).toBeLessThanOrEqual(contamination)
      expect(threshold.flaggedRows).toBe(threshold.flaggedShare * 1000)
      const flagged = (await scores('m', rows)).filter((result) => result.isAnomaly)
      expect(flagged.length).toBe(threshold.flaggedRows)
    }
    expect((await train({ rows, threshold: 'auto' })).threshold.value).toBe(0.5)
    expect((await train({ rows, threshold: { value: 0.62 } })).threshold).toMatchObject({ value: 0.62, exact: true })
  })

  test('ranks the planted row first', async () => {
    const rows = exampleRows(500)
    await train({ rows, model: 'rank' })
    const results = await scores('rank', rows)
    expect(results.reduce((best, result) => (result.score! > best.score! ? result : best)).row).toBe(499)
  })

  test('clamps the sample size to the rows there are and warns', async () => {
    const document = await train({ rows: exampleRows(50) })
    expect(document.detector.effective).toMatchObject({ sampleSize: 50, maxDepth: 6 })
    expect(document.detector.settings).toMatchObject({ sampleSize: 256, maxDepth: null })
    expect(document.warnings.map((warning) => warning.code)).toContain('sample_size_clamped')
  })

  test('keeps constant features out of the splits, drops empty ones, and warns of both and of a likely label', async () => {
    const rows = exampleRows(100).map((row, n) => ({ ...row, fixed: 7, empty: null, label: n === 99 }))
    const document = await train({ rows })
    expect(document.features.map((feature) => feature.name)).toEqual([
      'cpu',
      'fixed',
      'label',
      'latency',
      'hour_sin',
      'hour_cos',
    ])
    expect(document.features[1]!.profile).toMatchObject({ constant: true, min: 7, max: 7, std: 0 })
    const codes = document.warnings.map((warning) => warning.code)
    for (const code of ['constant_features', 'empty_columns', 'possible_label']) expect(codes).toContain(code)
    const named = await train({ rows, label: 'label' })
    expect(named.features.map((feature) => feature.name)).not.toContain('label')
    expect(named.warnings.map((warning) => warning.code)).not.toContain('possible_label')
  })

  test('takes the hour from two days on and the weekday from fourteen, and says why not', async () => {
    const spans: [number, string[]][] = [
      [96, []],
      [97, ['hour']],
      [14 * 48 + 1, ['hour', 'dayOfWeek']],
    ]
    for (const [count, features] of spans) {
      const { timeContext } = await train({ rows: exampleRows(count) })
      expect(timeContext.features).toEqual(features)
      expect(timeContext.leftOut.map((entry) => entry.feature)).toEqual(
        ['hour', 'dayOfWeek'].filter((name) => !features.includes(name)),
      )
    }
    expect(
      (await train({ rows: exampleRows(10), timeFeatures: ['dayOfWeek'] })).features.map((feature) => feature.name),
    ).toEqual(['cpu', 'latency', 'day_of_week_sin', 'day_of_week_cos'])
  })

  test('profiles what it was trained on', async () => {
    const { features, training } = await train({
      rows: Array.from({ length: 101 }, (_, n) => ({ a: n, b: n === 4 ? null : -n })),
      features: ['a', 'b'],
    })
    // Row 4 is left out: its a is not in the profile either.
    expect(features[0]!.profile).toMatchObject({ finite: 100, missing: 0, min: 0, max: 100, mean: 5046 / 100 })
    expect(features[1]!.profile).toMatchObject({ finite: 100, missing: 1, min: -100, max: 0 })
    expect(training).toMatchObject({ rows: 101, rowsInWindow: 101, rowsUsed: 100, rowsLeftOut: 1 })
  })

  test('a window with exclusions narrows what is learnt', async () => {
    const rows = exampleRows(200)
    const { training } = await train({
      rows,
      window: { from: rows[50]!.ts, to: rows[150]!.ts, exclude: [{ from: rows[60]!.ts, to: rows[70]!.ts }] },
    })
    expect(training).toMatchObject({
      rows: 200,
      rowsInWindow: 90,
      from: '2026-01-02T01:00:00Z',
      to: '2026-01-04T02:30:00Z',
    })
  })
})

describe('missing values follow the rule of the model', () => {
  const rows = exampleRows(200).map((row, n) => ({ ...row, cpu: n % 20 === 5 ? null : row.cpu }))
  const probes: Body[] = [
    { ts: rows[0]!.ts, cpu: 0.5, latency: 12 },
    { ts: rows[0]!.ts, cpu: null, latency: 12 },
    { ts: rows[0]!.ts, latency: 12 },
    { ts: null, cpu: 0.5, latency: 12 },
  ]

  test('reject: a few rows are left out, and an incomplete row has no score and says why', async () => {
    const { training, missing } = await train({ rows, model: 'reject' })
    expect(training).toMatchObject({ rowsUsed: 190, rowsLeftOut: 10, rowsFilled: 0 })
    expect(missing).toEqual({ rule: 'reject', fill: null })
    const results = await scores('reject', probes)
    expect(results[0]!.score).toBeGreaterThan(0)
    for (const row of [1, 2])
      expect(results[row]).toEqual({ row, score: null, isAnomaly: false, reason: 'missing_value', features: ['cpu'] })
    expect(results[3]).toMatchObject({ score: null, features: ['hour_sin', 'hour_cos'] })
  })

  test('skip: however many', async () => {
    const many = exampleRows(200).map((row, n) => ({ ...row, cpu: n % 2 === 0 ? null : row.cpu }))
    expect((await train({ rows: many, model: 'skip', missing: 'skip' })).training).toMatchObject({
      rowsUsed: 100,
      rowsLeftOut: 100,
    })
    expect((await scores('skip', probes))[1]).toMatchObject({ score: null, reason: 'missing_value' })
  })

  test('skip: rows are drawn once more where most of those drawn cannot be used', async () => {
    const rows = exampleRows(3_000)
    const gaps = rows.map((row, i) => (i % 3 === 0 ? row : { ...row, cpu: null }))
    const usable = rows.filter((_, i) => i % 3 === 0)
    const settings = { detector: forest(4, { trees: 20 }), missing: 'skip' }
    const some = await train({ model: 'gaps', rows: gaps, ...settings })
    expect(some.training).toMatchObject({ rowsUsed: 1_000, rowsLeftOut: 2_000 })
    // As if there had been no others.
    const all = await train({ model: 'no-gaps', rows: usable, ...settings })
    expect(some.payload.sha256).toBe(all.payload.sha256)
    expect(some.threshold.value).toBe(all.threshold.value)
  })

  test('median: filled with the exact training median, and said so per row', async () => {
    const { training, missing, features } = await train({ rows, model: 'median', missing: 'median' })
    const known = rows.flatMap((row) => (row.cpu === null ? [] : [row.cpu])).sort((a, b) => a - b)
    expect(training).toMatchObject({ rowsUsed: 200, rowsLeftOut: 0, rowsFilled: 10 })
    expect(missing.fill![0]).toBe((known[94]! + known[95]!) / 2)
    expect(features[0]!.profile.quantiles!.p50).toBe(missing.fill![0])
    const [whole, gap, absent] = await scores('median', probes)
    expect(whole).not.toHaveProperty('filled')
    expect(gap).toMatchObject({ filled: ['cpu'], isAnomaly: false })
    expect(absent!.score).toBe(gap!.score)
    const [byHand] = await scores('median', [{ ...probes[1], cpu: missing.fill![0] }])
    expect(byHand!.score).toBe(gap!.score)
  })

  test('a feature that is in no row is refused; one that is null in every row follows the rule', async () => {
    expect((await post('/score', { model: 'reject', rows: [{ ts: rows[0]!.ts, latency: 12 }] })).body).toMatchObject({
      code: 'missing_feature',
      features: ['cpu'],
    })
    expect((await scores('reject', [{ ts: rows[0]!.ts, cpu: null, latency: 12 }]))[0]).toMatchObject({ score: null })
  })
})

describe('hostile numbers end, with finite scores', () => {
  test.each<[string, number[]]>([
    ['the ends of the range', [1e308, -1e308, 1e308, -1e308, 0]],
    ['denormals', [5e-324, 0, 1e-320, 5e-324, 2e-310]],
    ['values that differ in the last bit', [1, 1 + Number.EPSILON, 1, 1 + 2 * Number.EPSILON, 1]],
    ['both zeros and one', [0, -0, 0, -0, 1]],
    ['one value that differs', [3, 3, 3, 3, 4]],
  ])('%s', async (_, values) => {
    const rows = Array.from({ length: 200 }, (_, n) => ({ a: values[n % values.length]!, b: n }))
    await train({ rows, model: 'hostile' })
    for (const { score } of await scores('hostile', [
      ...rows,
      { a: -1e308, b: 1e308 },
      { a: 1.7976931348623157e308, b: -5e-324 },
    ])) {
      expect(score).toBeGreaterThan(0)
      expect(score).toBeLessThanOrEqual(1)
    }
  })

  test('minus zero scores like zero, and the single other value highest', async () => {
    const rows = Array.from({ length: 100 }, (_, n) => ({ a: n === 60 ? 9 : 3 }))
    await train({ rows, model: 'single' })
    const results = await scores('single', rows)
    expect(results.reduce((best, result) => (result.score! > best.score! ? result : best)).row).toBe(60)
    const [zero, minus] = await scores('hostile', [
      { a: 0, b: 1 },
      { a: -0, b: 1 },
    ])
    expect(minus!.score).toBe(zero!.score)
  })
})

describe('telemetry of a file', () => {
  const upload = async (model: string, label: (index: number) => number) => {
    const lines = exampleRows(500).map(({ ts, cpu, latency }, i) => `${ts},${cpu},${latency},${label(i)}`)
    const answer = await request(`${service.url}/train?model=${model}&label=label`, {
      method: 'POST',
      headers: { 'content-type': 'text/csv' },
      body: ['ts,cpu,latency,label', ...lines].join('\n'),
    })
    expect(answer.statusCode).toBe(201)
    await answer.body.dump()
    const page = await request(`${service.url}/models/${model}/versions/1/report`, { headers: { accept: 'text/html' } })
    expect(page.statusCode).toBe(200)
    return page.body.text()
  }

  test('is read once, and counted for the report with its labels', async () => {
    const page = await upload('labelled', (i) => Number(i === 499))
    expect(page).toContain('Against the labels')
    expect(page).not.toContain('Nothing but the version document was kept')
  })

  test('is trained on whatever its labels are; a report without counts says so', async () => {
    const page = await upload('mislabelled', (i) => i % 4)
    expect(page).toContain('Nothing but the version document was kept')
    expect(service.log).toContainEqual(
      expect.objectContaining({ msg: 'trained without all that its report shows', reason: 'type_mismatch' }),
    )
  })

  test('has an exact threshold, however many scores lie above it', async () => {
    const folder = await freshFolder()
    const [given, scored] = [join(folder, 'given.parquet'), join(folder, 'scored.parquet')]
    // More above than are kept: the scores are looked at twice.
    const rows = 600_000
    await writeParquet(
      given,
      `select hash(i) % 1009 / 1009.0 as a, hash(i + 1) % 997 / 997.0 as b from range(${rows}) t(i)`,
    )
    const send = (path: string, accept: string) =>
      request(`${service.url}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/vnd.apache.parquet', accept },
        body: createReadStream(given),
      })
    const threshold = encodeURIComponent(JSON.stringify({ contamination: 0.45 }))
    const trained = await send(`/train?model=many&threshold=${threshold}`, 'application/json')
    const document = (await trained.body.json()) as VersionDocument
    expect(document.threshold?.exact).toBe(true)
    const { value, flaggedRows } = document.threshold
    const answer = await send('/score?model=many', 'application/vnd.apache.parquet')
    await pipeline(answer.body, createWriteStream(scored))
    const [counts] = await sql(
      `select count(*) filter (anomaly_score > ${value}), count(*) filter (anomaly_score >= ${value}) from '${scored}'`,
    )
    const [above, andOn] = counts!.map(Number)
    expect(above).toBe(flaggedRows)
    expect(above).toBeLessThanOrEqual(0.45 * rows)
    expect(andOn).toBeGreaterThan(0.45 * rows)
  })
})

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { exampleVersion } from '../../src/schemas/examples.ts'
import { type VersionDocument, versionDocument } from '../../src/schemas/model.ts'
import { startApp } from '../app.ts'
import { csvOf, features, fleet, marks, post, type Result, scoreFile, scoreRows, train, useService } from './tools.ts'

let address: string
beforeAll(async () => {
  address = (await startApp()).url
  useService(address)
})

describe('derived features', () => {
  test('have stable names, and the version document tells all about them', async () => {
    const version = await train('told', { rows: fleet(120), entity: 'host', features })
    expect(version.features.map(({ name }) => name).slice(1, 10)).toEqual([
      'lag(cpu, 1)',
      'diff(cpu, 3)',
      'rate(requests, 1)',
      'rate(requests, 5m)',
      'rollingMean(cpu, 12)',
      'rollingStd(cpu, 10m)',
      'rollingMin(cpu, 5)',
      'rollingMax(cpu, 7m)',
      'zScore(cpu, 12)',
    ])
    expect(version.features[5]).toMatchObject({
      kind: 'derived',
      column: 'cpu',
      derive: 'rollingMean',
      window: 12,
      maxGapSeconds: 300,
    })
    // Twelve rows of each host before the first z-score, and as many after the pause of one.
    expect(version.training).toMatchObject({
      rows: 330,
      rowsUsed: 330 - 4 * 12,
      rowsLeftOut: 0,
      rowsWithoutHistory: 48,
      rowsOutOfOrder: 0,
    })
    expect(version.warnings.map(({ code }) => code)).toContain('rows_without_history')
  })

  test('rows sent one by one, by hosts and in one go get the scores of the file, to the bit', async () => {
    const rows = fleet(120)
    for (const model of ['single', 'whole', 'batched']) await train(model, { rows, entity: 'host', features })
    const file = await scoreFile('single', rows)
    expect(file.filter(({ score }) => score === null)).toHaveLength(48)
    expect(file[0]).toMatchObject({ score: null, reason: 'insufficient_history' })
    expect(file[0]!.features).toContain('rollingMean(cpu, 12)')
    const single: Result[] = []
    for (const row of rows) single.push(...(await scoreRows('single', [row])))
    expect(marks(single)).toEqual(marks(file))
    expect(marks(await scoreRows('whole', rows))).toEqual(marks(file))
    // Files are whole in themselves: they do not go on from rows, nor rows from them.
    expect(marks(await scoreFile('whole', rows))).toEqual(marks(file))
  })

  test('every format trains the same model', async () => {
    const rows = fleet(120)
    const settings = { entity: 'host', features, detector: { type: 'isolation-forest', seed: 1, trees: 20 } }
    const query = (model: string) =>
      `/train?model=${model}&entity=host&features=${encodeURIComponent(JSON.stringify(features))}&detector=${encodeURIComponent(JSON.stringify(settings.detector))}`
    const json = await train('json', { rows, ...settings })
    const csv = (await post(query('csv'), csvOf(rows), 'text/csv')).body as unknown as VersionDocument
    const lines = rows.map((row) => JSON.stringify(row)).join('\n')
    const ndjson = (await post(query('ndjson'), lines, 'application/x-ndjson')).body as unknown as VersionDocument
    // The same rows as tables: what a plain model answers with.
    await train('plain', { rows, features: ['cpu'] })
    const tables: VersionDocument[] = []
    for (const form of ['application/vnd.apache.parquet', 'application/vnd.apache.arrow.stream']) {
      const headers = { 'content-type': 'text/csv', accept: form }
      const table = await fetch(`${address}/score?model=plain`, { method: 'POST', headers, body: csvOf(rows) })
      const training = await fetch(`${address}${query(form.split('.')[2]!)}`, {
        method: 'POST',
        headers: { 'content-type': form },
        body: await table.arrayBuffer(),
      })
      expect(training.status).toBe(201)
      tables.push((await training.json()) as VersionDocument)
    }
    for (const other of [csv, ndjson, ...tables]) {
      expect(other.payload.sha256).toBe(json.payload.sha256)
      expect(other.threshold).toEqual(json.threshold)
      // What a type is called is the format's own business.
      const told = (version: VersionDocument) => version.features.map((feature) => ({ ...feature, type: '' }))
      expect(told(other)).toEqual(told(json))
    }
  })

  test('late rows have no score and leave the window as it was', async () => {
    const rows = fleet(60, ['a'])
    await train('late', { rows, entity: 'host', features })
    await train('twin', { rows, entity: 'host', features })
    const late = { ...rows[10]!, cpu: 100 }
    const disturbed = await scoreRows('late', [...rows.slice(0, 40), late, ...rows.slice(40)])
    expect(disturbed[40]).toMatchObject({ score: null, reason: 'out_of_order' })
    const calm = await scoreRows('twin', rows)
    expect(marks(disturbed.toSpliced(40, 1))).toEqual(marks(calm))
    const trained = await train('late', { rows: [...rows, late], entity: 'host', features })
    expect(trained.training).toMatchObject({ rowsOutOfOrder: 1, rowsWithoutHistory: 12 })
    expect(trained.warnings.map(({ code }) => code)).toContain('rows_out_of_order')
  })
})

test('many cores do not wait for more blocks than there are', async () => {
  const { url, home } = await startApp({ DEEPWATCH_CORES: '8' })
  const rows = Array.from({ length: 18_500 }, (_, index) => ({
    ts: new Date(Date.UTC(2026, 0, 1) + index * 60_000).toISOString(),
    cpu: Math.sin(index),
  }))
  const lags = Array.from({ length: 256 }, (_, index) => ({ column: 'cpu', derive: 'lag', window: index + 1 }))
  writeFileSync(join(home, 'telemetry', 'wide.csv'), csvOf(rows))
  const source = { path: 'wide.csv' }
  const detector = { type: 'isolation-forest', seed: 1, trees: 2 }
  const version = await train('wide', { source, features: lags, timeFeatures: [], detector }, url)
  expect(version.training).toMatchObject({ rowsUsed: 18_244, rowsWithoutHistory: 256 })
  const scoring = await post('/score', { model: 'wide', source, return: 'none' }, undefined, url)
  expect(scoring.body).toMatchObject({ rows: 18_500, unscored: 256 })
})

test('a version made before there were derived features is read as it was', () => {
  const { rowsWithoutHistory, rowsOutOfOrder, ...training } = exampleVersion.training
  const older = { ...exampleVersion, training }
  expect([rowsWithoutHistory, rowsOutOfOrder, older.smoothing]).toEqual([undefined, undefined, undefined])
  expect(versionDocument.parse(older)).toEqual(older)
})

test('a report tells what was derived, smoothed and left out, and draws what it can', async () => {
  const derived = [features[5]!]
  await train('reported', { rows: fleet(60), entity: 'host', features: derived, smoothing: { window: 3 } })
  const answer = await fetch(`${address}/report`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'reported', rows: fleet(60) }),
  })
  expect(answer.status).toBe(200)
  const page = await answer.text()
  for (const words of ['rollingMean(cpu, 12)', 'mean over 3 rows', 'rows with too little history'])
    expect(page).toContain(words)
})

describe('what is not known', () => {
  test('is never a missing value: neither counts against the rule, and the row says why', async () => {
    const rows = fleet(100, ['a']).map((row, index) => ({
      ...row,
      mem: index / 100,
      cpu: index % 6 === 0 ? null : row['cpu']!,
    }))
    const asked = ['mem', { column: 'cpu', derive: 'lag' }]
    const version = await train('lacking', { rows, features: asked })
    expect(version.missing.rule).toBe('reject')
    expect(version.training).toMatchObject({ rowsLeftOut: 0, rowsWithoutHistory: 18, rowsUsed: 82 })
    const [first, second] = await scoreRows('lacking', [
      { ...rows[0]!, mem: null },
      { ...rows[1]!, mem: 0.5 },
    ])
    expect(first).toMatchObject({ reason: 'insufficient_history', features: ['lag(cpu, 1)'] })
    expect(second).toMatchObject({ reason: 'insufficient_history' })
  })

  test('with the rule median plain values are filled, derived ones are not', async () => {
    const rows = fleet(100, ['a']).map((row, index) => ({ ...row, mem: index % 3 === 0 ? null : index }))
    const asked = ['mem', { column: 'cpu', derive: 'rollingMean', window: 4 }]
    const version = await train('median', { rows, features: asked, missing: 'median' })
    expect(version.training).toMatchObject({ rowsUsed: 97, rowsWithoutHistory: 3, rowsFilled: 33 })
    expect(version.missing.fill).toHaveLength(2)
    const results = await scoreRows('median', rows.slice(0, 7))
    expect(results.map(({ reason }) => reason ?? 'scored')).toEqual([
      ...Array(3).fill('insufficient_history'),
      ...Array(4).fill('scored'),
    ])
    expect(results[3]).toMatchObject({ filled: ['mem'] })
  })

  test('history begins inside the window of the settings', async () => {
    const rows = fleet(100, ['a'])
    const window = { from: '2026-01-01T00:30:00Z' }
    const version = await train('narrowed', { rows, features: [{ column: 'cpu', derive: 'lag', window: 5 }], window })
    expect(version.training).toMatchObject({ rowsInWindow: 70, rowsWithoutHistory: 5, rowsUsed: 65 })
  })

  test('a gap breaks the history, as long as one that is given says or five typical steps are', async () => {
    const rows = fleet(40, ['a']).toSpliced(20, 7)
    const lag = { column: 'cpu', derive: 'lag' }
    const typical = await train('typical', { rows, features: [lag] })
    expect(typical.training.rowsWithoutHistory).toBe(2)
    const patient = await train('patient', { rows, features: [{ ...lag, maxGap: '10m' }] })
    expect(patient.training.rowsWithoutHistory).toBe(1)
    expect(marks(await scoreRows('typical', rows))[20]).toBe('insufficient_history')
  })

  test('yesterday is known on the second day', async () => {
    const rows = fleet(3000, ['a']).filter((_, index) => index % 10 === 0)
    const version = await train('daily', { rows, features: ['cpu', { column: 'cpu', derive: 'sameTimeYesterday' }] })
    expect(version.features[1]).toMatchObject({ name: 'sameTimeYesterday(cpu)', window: null, maxGapSeconds: 3000 })
    expect(version.training.rowsWithoutHistory).toBe(144)
  })
})

describe('what is refused', () => {
  const rows = fleet(30)
  test.each<[string, unknown, string]>([
    ['no window', { column: 'cpu', derive: 'rollingMean' }, 'validation_failed'],
    ['a window of one row', { column: 'cpu', derive: 'zScore', window: 1 }, 'validation_failed'],
    ['a window of nothing', { column: 'cpu', derive: 'lag', window: 0 }, 'validation_failed'],
    ['a window of half a row', { column: 'cpu', derive: 'lag', window: 1.5 }, 'validation_failed'],
    ['a window that looks ahead', { column: 'cpu', derive: 'lag', window: -1 }, 'validation_failed'],
    ['too many rows', { column: 'cpu', derive: 'lag', window: 100_001 }, 'validation_failed'],
    ['too long a time', { column: 'cpu', derive: 'lag', window: '32d' }, 'validation_failed'],
    ['a time without a unit', { column: 'cpu', derive: 'lag', window: '5' }, 'validation_failed'],
    ['a window for yesterday', { column: 'cpu', derive: 'sameTimeYesterday', window: 1 }, 'validation_failed'],
    ['a gap of rows', { column: 'cpu', derive: 'lag', maxGap: 5 }, 'validation_failed'],
    ['a function that is not there', { column: 'cpu', derive: 'constructor', window: 5 }, 'validation_failed'],
    ['a setting that is not there', { column: 'cpu', derive: 'lag', rows: 5 }, 'validation_failed'],
    ['no column', { derive: 'lag' }, 'validation_failed'],
    ['a column that is not there', { column: '__proto__', derive: 'lag' }, 'unknown_column'],
    ['a column of text', { column: 'name', derive: 'lag' }, 'type_mismatch'],
    ['the entity', { column: 'host', derive: 'lag' }, 'validation_failed'],
    ['more history than there is', { column: 'cpu', derive: 'lag', window: 90_000 }, 'insufficient_data'],
  ])('%s', async (_, feature, code) => {
    const named = rows.map((row) => ({ ...row, name: 'x' }))
    const answer = await post('/train', { model: 'refused', rows: named, entity: 'host', features: ['cpu', feature] })
    expect(answer.body['code'], JSON.stringify(answer.body)).toBe(code)
    expect(answer.status).toBe(422)
  })

  test('one name twice, and derived features without a time', async () => {
    const lag = { column: 'cpu', derive: 'lag' }
    const twice = await post('/train', { model: 'refused', rows, features: [lag, { ...lag, window: 1 }] })
    expect(twice.body['code']).toBe('validation_failed')
    const timeless = rows.map(({ cpu }) => ({ cpu: cpu! }))
    const answer = await post('/train', { model: 'refused', rows: timeless, features: [lag] })
    expect(answer.body['code']).toBe('missing_timestamp')
    await train('needs-time', { rows, features: [lag] })
    const scored = await post('/score', { model: 'needs-time', rows: timeless })
    expect(scored.body).toMatchObject({ code: 'missing_feature', features: ['lag(cpu, 1)'] })
  })
})

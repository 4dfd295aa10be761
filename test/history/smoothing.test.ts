import { Client } from 'undici'
import { beforeAll, expect, test } from 'vitest'
import { startApp } from '../app.ts'
import { freshFolder } from '../endings.ts'
import { type Body, csvOf, fleet, marks, post, type Row, scoreFile, scoreRows, train, useService } from './tools.ts'

let url: string
beforeAll(async () => {
  url = (await startApp()).url
  useService(url)
})

const rows = fleet(80)
const features = ['cpu', { column: 'requests', derive: 'rate' }]

/** The trailing means that smoothing should give, by host. */
function smoothed(plain: (number | string | undefined)[], window: number): (number | string | undefined)[] {
  const seen = new Map<unknown, number[]>()
  return plain.map((score, row) => {
    if (typeof score !== 'number') return score
    const known = seen.get(rows[row]!['host']) ?? []
    known.push(score)
    seen.set(rows[row]!['host'], known)
    const inside = known.slice(-window)
    return inside.reduce((sum, each) => sum + each, 0) / inside.length
  })
}

test.each<[string, Body]>([
  ['rows', { window: 6 }],
  ['time', { window: '6m' }],
])(
  'a smoothed score is the same for a file, for rows one by one, and for all rows at once: %s',
  async (name, smoothing) => {
    const settings = { rows, entity: 'host', features }
    const models = [`plain-${name}`, `single-${name}`, `whole-${name}`] as const
    await train(models[0], settings)
    const version = await train(models[1], { ...settings, smoothing })
    await train(models[2], { ...settings, smoothing })
    const file = marks(await scoreFile(models[1], rows))
    const single: typeof file = []
    for (const row of rows) single.push(...marks(await scoreRows(models[1], [row])))
    expect(single).toEqual(file)
    expect(marks(await scoreRows(models[2], rows))).toEqual(file)
    const expected = smoothed(marks(await scoreRows(models[0], rows)), 6)
    // The guards of both were measured by their own thresholds: nothing here is outside of what was trained.
    if (name === 'rows') {
      for (const [row, score] of file.entries()) {
        if (typeof score === 'number') expect(score).toBeCloseTo(expected[row] as number, 12)
        else expect(score).toBe(expected[row])
      }
    }
    const above = file.filter((score) => typeof score === 'number' && score > version.threshold.value).length
    expect(above).toBe(version.threshold.flaggedRows)
    expect(version.smoothing).toMatchObject(smoothing)
  },
)

test('no rows are no mistake', async () => {
  const settings = { rows, entity: 'host', features, smoothing: { window: '6m' } }
  await train('empty', settings)
  const answer = await post('/score', { model: 'empty', rows: [] })
  expect(answer.body).toMatchObject({ rows: 0, results: [] })
  const timeless = await post('/score', { model: 'empty', rows: [{ cpu: 1, requests: 1 }] })
  expect(timeless.body['code']).toBe('missing_feature')
})

test('an evaluation judges smoothed scores, with derived features alone too', async () => {
  const labelled = rows.map((row, index) => ({ ...row, label: index % 40 < 4 ? 1 : 0 }))
  const derived = [{ column: 'cpu', derive: 'rollingStd', window: 4 }]
  const settings = {
    rows: labelled,
    entity: 'host',
    label: 'label',
    smoothing: { window: 3 },
    detector: { type: 'isolation-forest', seed: 3 },
  }
  const version = await train('judged', { ...settings, features: derived })
  const { body } = await post('/evaluate', { model: 'judged', rows: labelled })
  const { tp, fp } = body['confusion'] as { tp: number; fp: number }
  expect(tp + fp).toBe(version.threshold.flaggedRows)
  expect(body['unscored']).toBe(version.training.rowsWithoutHistory)
})

test('the document says after how many rows a step is seen', async () => {
  const version = await train('delayed', { rows, entity: 'host', features, smoothing: { window: 8 } })
  const { delay } = version.smoothing!
  expect(delay.map(({ score }) => score)).toEqual(delay.map(({ score }) => score).toSorted())
  expect(delay.at(-1)!.score).toBe(1)
  for (const [index, { rows: needed, seconds }] of delay.entries()) {
    expect(needed).toBeGreaterThanOrEqual(1)
    expect(needed).toBeLessThanOrEqual(index === 0 ? 8 : delay[index - 1]!.rows!)
    expect(seconds).toBe((needed! - 1) * 60)
  }
})

test('the windows of scores are there after an orderly stop', async () => {
  const home = await freshFolder()
  const settings = { rows, entity: 'host', features: ['cpu'], smoothing: { window: 6 } }
  const first = await startApp({ DEEPWATCH_HOME: home })
  await train('m', settings, first.url)
  await train('whole', settings, first.url)
  const whole = marks(await scoreRows('whole', rows, first.url))
  const before = marks(await scoreRows('m', rows.slice(0, 100), first.url))
  await first.stop()
  const second = await startApp({ DEEPWATCH_HOME: home })
  expect([...before, ...marks(await scoreRows('m', rows.slice(100), second.url))]).toEqual(whole)
  await second.stop()
})

test('requests that come together are smoothed in the order in which they come', async () => {
  const settings = { rows, entity: 'host', features: ['cpu'], smoothing: { window: 6 } }
  for (const model of ['together', 'twin']) await train(model, settings)
  const sizes = [1, 600, 1, 2, 900, 1, 1]
  const many = Array.from({ length: 10 }, () => rows).flat()
  const parts = sizes.map((size, index) => {
    const at = sizes.slice(0, index).reduce((sum, each) => sum + each, 0)
    return many.slice(at, at + size)
  })
  const client = new Client(url, { pipelining: parts.length })
  const answers = await Promise.all(
    parts.map(async (part) => {
      const body = JSON.stringify({ model: 'together', rows: part })
      const headers = { 'content-type': 'application/json' }
      const answer = await client.request({ path: '/score', method: 'POST', headers, body, idempotent: true })
      return ((await answer.body.json()) as { results: Parameters<typeof marks>[0] }).results
    }),
  )
  await client.close()
  expect(marks(answers.flat())).toEqual(marks(await scoreRows('twin', parts.flat())))
})

test('every format trains the same smoothed model, without an entity too', async () => {
  const settings = { smoothing: { window: '5m' }, detector: { type: 'isolation-forest', seed: 1, trees: 20 } }
  const json = await train('json', { rows, features: ['cpu'], ...settings })
  const query = `model=csv&features=${encodeURIComponent('["cpu"]')}&smoothing=${encodeURIComponent(JSON.stringify(settings.smoothing))}&detector=${encodeURIComponent(JSON.stringify(settings.detector))}`
  const csv = await post(`/train?${query}`, csvOf(rows), 'text/csv')
  expect(csv.body).toMatchObject({ threshold: json.threshold, scores: json.scores, smoothing: json.smoothing })
})

test.each<[string, unknown, string, (row: Row) => Row]>([
  ['one row', { window: 1 }, 'validation_failed', (row) => row],
  ['no window', {}, 'validation_failed', (row) => row],
  ['a window that looks ahead', { window: -3 }, 'validation_failed', (row) => row],
  ['time without a time', { window: '5m' }, 'missing_timestamp', ({ cpu }) => ({ cpu: cpu! })],
])('is refused: %s', async (_, smoothing, code, shape) => {
  const answer = await post('/train', { model: 'refused', rows: rows.map(shape), features: ['cpu'], smoothing })
  expect(answer.body['code'], JSON.stringify(answer.body)).toBe(code)
  expect(answer.status).toBe(422)
})

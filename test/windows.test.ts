import { request } from 'undici'
import { beforeAll, describe, expect, test } from 'vitest'
import type { VersionDocument } from '../src/schemas/model.ts'
import { startApp, type TestApp } from './app.ts'

type Row = Record<string, string | number | null>
type Body = Record<string, unknown>

let service: TestApp
beforeAll(async () => {
  service = await startApp()
})

const minute = 60_000
const features = [
  'cpu',
  { column: 'cpu', derive: 'lag' },
  { column: 'cpu', derive: 'diff', window: 3 },
  { column: 'requests', derive: 'rate' },
  { column: 'requests', derive: 'rate', window: '5m' },
  { column: 'cpu', derive: 'rollingMean', window: 12 },
  { column: 'cpu', derive: 'rollingStd', window: '10m' },
  { column: 'cpu', derive: 'rollingMin', window: 5 },
  { column: 'cpu', derive: 'rollingMax', window: '7m' },
  { column: 'cpu', derive: 'zScore', window: 12 },
]

/** Hosts with a counter that starts anew now and then, interleaved; `b` pauses for half an hour. */
function fleet(count: number, hosts = ['a', 'b', 'c']): Row[] {
  const requests = new Map(hosts.map((host) => [host, 0]))
  const rows: Row[] = []
  for (let step = 0; step < count; step++) {
    for (const [index, host] of hosts.entries()) {
      if (host === 'b' && step >= 60 && step < 90) continue
      const restarts = step % 50 === 10 * index + 7
      requests.set(host, restarts ? 3 : requests.get(host)! + 40 + ((step * 7 + index) % 11))
      const ts = new Date(Date.UTC(2026, 0, 1) + step * minute + index * 1000).toISOString()
      const cpu = 0.5 + 0.3 * Math.sin((step + 5 * index) / 30) + 0.05 * Math.sin(step * 12.9898 + index)
      rows.push({ ts, host, cpu, requests: requests.get(host)! })
    }
  }
  return rows
}

async function post(path: string, body: Body | string, type = 'application/json', at = service.url) {
  const answer = await request(`${at}${path}`, {
    method: 'POST',
    headers: { 'content-type': type },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  })
  return { status: answer.statusCode, body: (await answer.body.json()) as Body }
}

async function train(model: string, body: Body, at = service.url): Promise<VersionDocument> {
  const answer = await post(
    '/train',
    { model, detector: { type: 'isolation-forest', seed: 1, trees: 20 }, ...body },
    undefined,
    at,
  )
  expect(answer.body['code'], JSON.stringify(answer.body)).toBeUndefined()
  return answer.body as unknown as VersionDocument
}

interface Result {
  readonly row: number
  readonly score: number | null
  readonly reason?: string
  readonly features?: string[]
}

const resultsOf = ({ body }: { body: Body }) => {
  expect(body['code'], JSON.stringify(body)).toBeUndefined()
  return body['results'] as Result[]
}
const scoreRows = async (model: string, rows: Row[], at = service.url) =>
  resultsOf(await post('/score', { model, rows }, undefined, at))
const csvOf = (rows: Row[]) =>
  `${Object.keys(rows[0]!).join(',')}\n${rows
    .map((row) =>
      Object.values(row)
        .map((value) => value ?? '')
        .join(','),
    )
    .join('\n')}\n`
const scoreFile = async (model: string, rows: Row[]) =>
  resultsOf(await post(`/score?model=${model}&return=all`, csvOf(rows), 'text/csv'))
const marks = (results: Result[]) => results.map(({ score, reason }) => score ?? reason)

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
    for (const other of [csv, ndjson]) {
      expect(other.payload.sha256).toBe(json.payload.sha256)
      expect(other.threshold).toEqual(json.threshold)
      expect(other.features.map(({ profile }) => profile)).toEqual(json.features.map(({ profile }) => profile))
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

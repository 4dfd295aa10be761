import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { cli } from '../cli/tools.ts'
import { freshFolder } from '../endings.ts'
import { type HttpApp, outcome, serveApp, trainSmall } from './client.ts'

const csv = { accept: 'text/csv' }
const strange = { cpu: 50, latency: 2e7, host: 'a,b' }
const rows = [{ cpu: 0.1, latency: 12, host: 'web' }, strange, { cpu: null, latency: 1, host: null }]

let app: HttpApp

beforeAll(async () => {
  app = await serveApp()
  await trainSmall(app, 'web', { threshold: { contamination: 0.1 } })
})

test('scores come as CSV, with the columns asked for', async () => {
  const reply = await app.post('/score', { model: 'web', rows, include: ['host'] }, csv)
  expect(outcome(reply)).toBe('200')
  expect(reply.headers).toMatchObject({ 'content-type': 'text/csv; charset=utf-8', 'deepwatch-model': 'web@1' })
  const [head, first, second, third, end] = reply.text.split('\n')
  expect([head, end]).toEqual(['row,anomaly_score,is_anomaly,reason,host', ''])
  expect(first).toMatch(/^0,0\.\d+,false,,web$/)
  expect(second).toMatch(/^1,[\d.]+,true,out_of_range \w+; out_of_range \w+,"a,b"$/)
  expect(third).toBe('2,,false,missing_value,')
})

test('a file and a job give what the command line gives, byte for byte', async () => {
  const lines = Array.from({ length: 500 }, (_, row) => `${Math.sin(row).toFixed(4)},${row % 17},"h ""${row % 3}"""`)
  const body = `cpu,latency,host\n${lines.join('\n')}\n`
  const headers = { ...csv, 'content-type': 'text/csv' }
  const path = '/score?model=web&include=%5B%22host%22%5D'
  const reply = await app.send('POST', path, { body, headers })
  const file = join(await freshFolder(), 'today.csv')
  await writeFile(file, body)
  const asked = ['score', file, '--model', 'web', '--format', 'csv', '--include', 'host', '--server', app.url]
  expect((await cli(asked)).stdout.toString()).toBe(reply.text)
  const key = { 'idempotency-key': 'once' }
  expect((await app.send('POST', path, { body, headers: { ...headers, ...key } })).text).toBe(reply.text)
  const flagged = await app.send('POST', `${path}&return=anomalies`, { body, headers })
  expect(flagged.text.split('\n').slice(1, -1)).toEqual(reply.text.split('\n').filter((line) => /,true,/.test(line)))
})

test('no row is only its head; none at all is refused', async () => {
  expect((await app.post('/score', { model: 'web', rows: [] }, csv)).text).toBe('row,anomaly_score,is_anomaly,reason\n')
  expect(outcome(await app.post('/score', { model: 'web', rows, return: 'none' }, csv))).toBe('422 unused_setting')
})

test('the root leads people and programs on, without a token', async () => {
  const browser = await app.get('/', { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' })
  expect([browser.status, browser.headers['location']]).toEqual([302, '/docs'])
  expect((await app.get('/docs/')).status).toBe(200)
  const links = (await app.get('/')).json<Record<string, string>>()
  expect(links).toMatchObject({ service: 'DeepWatch', docs: '/docs' })
  for (const link of [links['openapi']!, links['models']!, links['health']!])
    expect((await app.get(link)).status, link).toBe(200)
})

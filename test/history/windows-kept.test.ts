import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Client, request } from 'undici'
import { describe, expect, test } from 'vitest'
import { startApp } from '../app.ts'
import { freshFolder } from '../endings.ts'
import { startChild } from '../http/child.ts'
import { csvOf, features, fleet, marks, post, scoreRows, train } from './tools.ts'

const rows = fleet(60)
const half = rows.length / 2
const settings = { rows, entity: 'host', features }

async function metric(url: string, name: string): Promise<number> {
  const text = await (await request(`${url}/metrics`)).body.text()
  return Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
}

describe('the windows of rows that come as JSON', () => {
  test('are there after an orderly stop, once', async () => {
    const home = await freshFolder()
    const first = await startApp({ DEEPWATCH_HOME: home })
    await train('m', settings, first.url)
    const before = await scoreRows('m', rows.slice(0, half), first.url)
    await first.stop()
    expect(readdirSync(join(home, 'windows'))).toEqual(['windows.bin'])
    const second = await startApp({ DEEPWATCH_HOME: home })
    expect(readdirSync(join(home, 'windows'))).toEqual([])
    expect(await metric(second.url, 'deepwatch_window_entities')).toBe(3)
    const after = await scoreRows('m', rows.slice(half), second.url)
    await train('whole', settings, second.url)
    expect([...marks(before), ...marks(after)]).toEqual(marks(await scoreRows('whole', rows, second.url)))
    await second.stop()
  })

  test('are gone after a kill, also those an earlier stop wrote down, and the answers say so', async () => {
    const home = await freshFolder()
    const env = { DEEPWATCH_HOME: home, PORT: '0', DEEPWATCH_CORES: '1' }
    const first = startChild(env)
    const url = await first.ready
    await train('m', settings, url)
    await scoreRows('m', rows.slice(0, half), url)
    first.process.kill('SIGTERM')
    expect(await first.exit).toBe(0)
    const second = startChild(env)
    expect(marks(await scoreRows('m', rows.slice(half, half + 3), await second.ready))).not.toContain(
      'insufficient_history',
    )
    second.process.kill('SIGKILL')
    await second.exit
    const third = startChild(env)
    const after = await scoreRows('m', rows.slice(half + 3, half + 6), await third.ready)
    expect(marks(after)).toEqual(Array(3).fill('insufficient_history'))
  })

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ['cut', (bytes) => bytes.subarray(0, bytes.length - 9)],
    ['empty', () => Buffer.alloc(0)],
    ['flipped', (bytes) => bytes.fill(bytes[100]! ^ 1, 100, 101)],
  ])('begin empty when the file is damaged: %s', async (_, damage) => {
    const home = await freshFolder()
    const first = await startApp({ DEEPWATCH_HOME: home })
    await train('m', settings, first.url)
    await scoreRows('m', rows, first.url)
    await first.stop()
    const path = join(home, 'windows', 'windows.bin')
    writeFileSync(path, damage(readFileSync(path)))
    const second = await startApp({ DEEPWATCH_HOME: home })
    expect(await metric(second.url, 'deepwatch_window_entities')).toBe(0)
    expect(second.log.some(({ msg }) => /windows of the last stop are damaged/.test(String(msg)))).toBe(true)
    await second.stop()
  })

  test('make room for others, the longest unseen first', async () => {
    const { url } = await startApp({ DEEPWATCH_WINDOW_ENTITIES: '2' })
    await train('m', settings, url)
    const of = (host: string) => rows.filter((row) => row['host'] === host)
    await scoreRows('m', of('a').slice(0, 20), url)
    await scoreRows('m', of('b').slice(0, 20), url)
    expect(marks(await scoreRows('m', of('a').slice(20, 21), url))[0]).toBeTypeOf('number')
    await scoreRows('m', of('c').slice(0, 20), url)
    expect(await metric(url, 'deepwatch_window_evictions_total')).toBe(1)
    expect(await metric(url, 'deepwatch_window_entities')).toBe(2)
    expect(marks(await scoreRows('m', of('a').slice(21, 22), url))[0]).toBeTypeOf('number')
    expect(marks(await scoreRows('m', of('b').slice(20, 21), url))[0]).toBe('insufficient_history')
    expect(await metric(url, 'deepwatch_rows_rejected_total\\{model="m",reason="insufficient_history"\\}')).toBe(37)
  })

  test('are bounded by bytes, and so are those of files and trainings', async () => {
    const { url } = await startApp({ DEEPWATCH_WINDOW_BYTES: '1MiB' })
    await train('m', settings, url)
    const many = Array.from({ length: 2000 }, (_, index) => ({ ...rows[0]!, host: `host-${index}` }))
    await scoreRows('m', many, url)
    expect(await metric(url, 'deepwatch_window_entities')).toBeLessThan(1000)
    const score = await post('/score?model=m', csvOf(many), 'text/csv', url)
    expect(score.body['code']).toBe('history_too_large')
    const training = await post('/train', { ...settings, model: 'large', rows: many }, undefined, url)
    expect(training.body['code']).toBe('history_too_large')
    expect([score.status, training.status]).toEqual([422, 422])
  })

  test('go with their version', async () => {
    const { url } = await startApp()
    await train('m', settings, url)
    await scoreRows('m', rows, url)
    await train('m', settings, url)
    await scoreRows('m', rows, url)
    expect(await metric(url, 'deepwatch_window_entities')).toBe(6)
    await request(`${url}/models/m/versions/1`, { method: 'DELETE' })
    expect(await metric(url, 'deepwatch_window_entities')).toBe(3)
    await request(`${url}/models/m`, { method: 'DELETE' })
    expect(await metric(url, 'deepwatch_window_entities')).toBe(0)
  })

  test('take requests in the order in which they come, also while a long one is worked on', async () => {
    const { url } = await startApp()
    const long = fleet(1000)
    await train('m', settings, url)
    await train('twin', settings, url)
    const starts = [0, 1, 2, 2500, 2501, 2502, 2600, 2601]
    const parts = starts.map((start, index) => long.slice(start, starts[index + 1]))
    const expected = marks(await scoreRows('twin', long, url))
    const client = new Client(url, { pipelining: parts.length })
    const answers = await Promise.all(
      parts.map(async (part) => {
        const body = JSON.stringify({ model: 'm', rows: part })
        const headers = { 'content-type': 'application/json' }
        const answer = await client.request({ path: '/score', method: 'POST', headers, body, idempotent: true })
        return ((await answer.body.json()) as { results: Parameters<typeof marks>[0] }).results
      }),
    )
    await client.close()
    expect(marks(answers.flat())).toEqual(expected)
  })

  test('are left alone by evaluations and reports, and go on whatever the answer looks like', async () => {
    const { url } = await startApp()
    await train('m', settings, url)
    await train('twin', settings, url)
    const expected = marks(await scoreRows('twin', rows, url))
    const labelled = rows.map((row, index) => ({ ...row, label: index % 9 === 0 ? 1 : 0 }))
    const evaluated = await post('/evaluate', { model: 'm', rows: labelled, label: 'label' }, undefined, url)
    expect(evaluated.body).toMatchObject({ unscored: 36 })
    await request(`${url}/report`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', rows, format: 'svg' }),
    }).then(({ body }) => body.dump())
    expect(await metric(url, 'deepwatch_window_entities')).toBe(3)
    const table = await request(`${url}/score`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: 'application/vnd.apache.parquet' },
      body: JSON.stringify({ model: 'm', rows: rows.slice(0, half) }),
    })
    expect(table.statusCode).toBe(200)
    await table.body.dump()
    expect(marks(await scoreRows('m', rows.slice(half), url))).toEqual(expected.slice(half))
  })
})

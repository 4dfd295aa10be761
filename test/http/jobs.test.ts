import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { jobDocument } from '../../src/schemas/job.ts'
import { type HttpApp, markedRows, outcome, serveApp, smallForest, trainSmall } from './client.ts'
import { readExposition } from './exposition.ts'
import {
  ended,
  essence,
  heard,
  jobOf,
  later,
  leftovers,
  longCsv,
  longRows,
  readersOf,
  submit,
  versionsOf,
  writeLongFile,
} from './jobs-tools.ts'
import { exchange, rawRequest } from './wire.ts'

let app: HttpApp
const rows: Record<string, unknown>[] = markedRows(200).map((row, index) => ({ ...row, label: index === 199 }))
const csv = `cpu,latency,label\n${rows.map((row) => `${row['cpu']},${row['latency']},${row['label'] ? 1 : 0}\n`).join('')}`
const forest = { detector: smallForest, label: 'label' }

beforeAll(async () => {
  app = await serveApp({ DEEPWATCH_JOBS_RUNNING: '1', DEEPWATCH_JOBS_QUEUE: '3' })
  await trainSmall(app, 'web', { rows, label: 'label' })
  await writeFile(join(app.home, 'telemetry', 'short.csv'), csv)
  await writeLongFile(app.home)
})

const post = (path: string, json: unknown, headers = {}) => submit(app.url, path, { json, headers })
const longScore = (more: object = {}) => post('/score', { model: 'web', source: { path: 'long.csv' }, ...more })
const jobsMetric = async (state: string) =>
  readExposition((await app.get('/metrics')).text, 'text').value('deepwatch_jobs', { state })

describe('a job', () => {
  const forms = [
    'application/json',
    'application/x-ndjson',
    'application/vnd.apache.parquet',
    'application/vnd.apache.arrow.stream',
  ]
  const sources: [string, (accept: string) => Parameters<HttpApp['send']>[2]][] = [
    ['rows', (accept) => ({ json: { model: 'web', rows }, headers: { accept } })],
    ['a path', (accept) => ({ json: { model: 'web', source: { path: 'short.csv' } }, headers: { accept } })],
    ['an upload', (accept) => ({ body: csv, headers: { accept, 'content-type': 'text/csv' } })],
  ]
  test.each(forms.flatMap((form) => sources.map(([name, make]) => [form, name, make] as const)))(
    'that scores as %s from %s answers what the request would have, byte for byte',
    async (form, _name, make) => {
      const path = '/score?model=web'
      const options = make(form)!
      const now = await app.send('POST', path, options)
      expect([now.status, now.headers['content-type']]).toEqual([200, form])
      const job = await submit(app.url, path, options)
      expect(await ended(app.url, job.id)).toMatchObject({
        state: 'succeeded',
        rowsDone: 200,
        rowsPerSecond: expect.any(Number),
      })
      const result = await app.get(`/jobs/${job.id}/result`, { accept: '*/*' })
      expect(essence(result)).toEqual({
        ...essence(now),
        headers: { ...(essence(now) as { headers: object }).headers, 'content-length': String(now.bytes.length) },
      })
      expect((await leftovers(app.home)).spool).toEqual([])
    },
  )

  test('that evaluates answers the same', async () => {
    const json = { model: 'web', rows, label: 'label' }
    const now = await app.post('/evaluate', json)
    const job = await post('/evaluate', json)
    expect(await ended(app.url, job.id)).toMatchObject({ state: 'succeeded', kind: 'evaluate' })
    expect(essence(await app.get(`/jobs/${job.id}/result`))).toEqual(essence(now))
  })

  test('that trains answers 201 with the version, where it is, and the model serves it', async () => {
    const job = await post('/train', { model: 'trained', rows, ...forest })
    expect(job).toMatchObject({ kind: 'train', model: 'trained', result: null, problem: null })
    const over = await ended(app.url, job.id)
    expect(over).toMatchObject({ state: 'succeeded', result: `/jobs/${job.id}/result` })
    const result = await app.get(over.result!)
    expect([result.status, result.headers['location']]).toEqual([201, '/models/trained/versions/1'])
    const { serving, ...version } = (await app.get('/models/trained/versions/1')).json()
    expect([serving, version]).toEqual([true, result.json()])
  })

  test('has a document that fits its schema in every state, at its own address and in the list', async () => {
    const long = await longScore({ return: 'all' })
    const waiting = await longScore()
    const running = await heard(app.url, long.id, ({ rowsDone }) => rowsDone > 0)
    expect(running).toMatchObject({ state: 'running', stage: 'scoring', finishedAt: null })
    expect([running.secondsLeft === null, running.rowsTotal === null || running.rowsTotal === longRows]).toEqual([
      running.rowsTotal === null,
      true,
    ])
    expect(running.rowsPerSecond).toBeGreaterThan(0)
    const queued = (await app.get(`/jobs/${waiting.id}`)).json()
    expect(queued).toMatchObject({ state: 'queued', stage: 'waiting', startedAt: null })
    expect([await jobsMetric('running'), await jobsMetric('queued')]).toEqual([1, 1])
    for (const { id } of [waiting, long]) expect(outcome(await app.send('DELETE', `/jobs/${id}`))).toBe('204')
    const list = (await app.get('/jobs?limit=2')).json<{ jobs: { id: string; state: string }[]; next: string }>()
    expect(list.jobs.map(({ id, state }) => [id, state])).toEqual([
      [waiting.id, 'cancelled'],
      [long.id, 'cancelled'],
    ])
    const next = (await app.get(`/jobs?limit=999&after=${list.next}`)).json<{ jobs: unknown[]; next: null }>()
    expect([next.jobs.length > 1, next.next]).toEqual([true, null])
    for (const job of [running, queued, ...list.jobs, ...next.jobs]) expect(jobDocument.parse(job)).toEqual(job)
    expect(await jobsMetric('running')).toBe(0)
    expect(await jobsMetric('cancelled')).toBeGreaterThanOrEqual(2)
  })

  test('that fails has the problem the request would have been answered with, and a result that is it', async () => {
    const json = { model: 'web', rows: [{ cpu: 1 }] }
    const now = await app.post('/score', json)
    expect(outcome(now)).toBe('422 missing_feature')
    const job = await ended(app.url, (await post('/score', json)).id)
    const { requestId: _, ...problem } = now.json()
    expect(job).toMatchObject({ state: 'failed', problem, result: null })
    const result = await app.get(`/jobs/${job.id}/result`)
    expect(result.json()).toMatchObject(problem)
    expect(jobDocument.parse(job)).toEqual(job)
  })

  test('is asked for in other words too', async () => {
    for (const prefer of ['Respond-Async', 'wait=5, respond-async', 'respond-async; x=1', 'a="b,c" , respond-async']) {
      const reply = await app.post('/score', { model: 'web', rows: rows.slice(0, 2) }, { prefer })
      expect(await ended(app.url, jobOf(reply).id), prefer).toMatchObject({ state: 'succeeded' })
    }
    for (const prefer of [
      'respond-asynchronously',
      'x="respond-async"',
      'x="a, respond-async"',
      'respond-async=no',
      '',
    ])
      expect((await app.post('/score', { model: 'web', rows: rows.slice(0, 2) }, { prefer })).status, prefer).toBe(200)
  })
})

describe('bad settings are refused at once, and nothing is kept', () => {
  test.each([
    ['/score', { model: 'web', rows, nonsense: 1 }, '422 validation_failed'],
    ['/score', { model: 'web' }, '422 validation_failed'],
    ['/score', { model: 'web', rows, source: { path: 'short.csv' } }, '422 validation_failed'],
    ['/score', { model: 'WEB', rows }, '400 invalid_id'],
    ['/score?return=none', { model: 'web', rows: [], include: ['cpu'] }, '422 unused_setting'],
    ['/train', { model: 'web', rows, detector: { type: 'forest' } }, '422 validation_failed'],
    ['/evaluate', { model: 'web', rows: 5 }, '422 validation_failed'],
  ])('%s #%#', async (path, json, expected) => {
    const before = (await leftovers(app.home)).jobs.length
    expect(outcome(await app.post(path, json, later))).toBe(expected)
    expect((await leftovers(app.home)).jobs.length).toBe(before)
  })

  test('an upload that is none too, and its spool file goes', async () => {
    const bad = await app.send('POST', '/score?model=web&return=none&include=["cpu"]', {
      body: csv,
      headers: { ...later, 'content-type': 'text/csv' },
    })
    expect(outcome(bad)).toBe('422 unused_setting')
    expect((await leftovers(app.home)).spool).toEqual([])
  })
})

describe('DELETE', () => {
  const rowsScored = async () =>
    readExposition((await app.get('/metrics')).text, 'text').value('deepwatch_rows_scored_total', {
      model: 'web',
      version: '1',
    })

  /** Cancels and looks after everything that must be gone; the milliseconds to the end of the last reading process. */
  async function cancel(id: string): Promise<number> {
    expect(await readersOf(app.home)).not.toEqual([])
    const started = performance.now()
    const answer = app.send('DELETE', `/jobs/${id}`)
    while ((await readersOf(app.home)).length > 0);
    const gone = performance.now() - started
    expect(outcome(await answer)).toBe('204')
    expect(await readersOf(app.home)).toEqual([])
    const { spool, jobs } = await leftovers(app.home)
    expect(spool).toEqual([])
    expect(jobs.filter((name) => name.startsWith(id) || name.startsWith('.'))).toEqual([`${id}.json`])
    expect((await app.get(`/jobs/${id}`)).json()).toMatchObject({ state: 'cancelled', result: null, problem: null })
    expect(outcome(await app.get(`/jobs/${id}/result`))).toBe('409 job_cancelled')
    expect(Math.max(gone, performance.now() - started)).toBeLessThan(1000)
    return gone
  }

  const uploads: [string, string, (job: { stage: string }) => boolean][] = [
    ['/train?model=never', 'sampling', ({ stage }) => stage === 'sampling'],
    [
      '/train?model=never&detector={"type":"isolation-forest","trees":1000}',
      'scoring for the threshold',
      ({ stage }) => stage === 'scoring',
    ],
    ['/score?model=web&return=all', 'scoring', ({ stage }) => stage === 'scoring'],
  ]
  test.each(uploads)('of %s while %s leaves nothing behind', async (path, _stage, isThere) => {
    const before = await rowsScored()
    const job = await submit(app.url, path, { body: longCsv, headers: { 'content-type': 'text/csv' } })
    await heard(app.url, job.id, isThere)
    await cancel(job.id)
    expect([await rowsScored(), await versionsOf(app, 'never')]).toEqual([before, []])
  })

  test('while a table is written raises no counter either', async () => {
    const before = await rowsScored()
    const headers = { accept: 'application/vnd.apache.parquet' }
    const job = await post('/score', { model: 'web', source: { path: 'long.csv' } }, headers)
    await heard(app.url, job.id, ({ stage }) => stage === 'writing')
    await cancel(job.id)
    expect(await rowsScored()).toBe(before)
  })

  test('of a waiting job takes it out of the queue and leaves the running one alone', async () => {
    const running = await longScore({ return: 'none' })
    const waiting = await longScore()
    expect(outcome(await app.send('DELETE', `/jobs/${waiting.id}`))).toBe('204')
    expect((await app.get(`/jobs/${waiting.id}`)).json()).toMatchObject({ state: 'cancelled', startedAt: null })
    expect(await ended(app.url, running.id)).toMatchObject({ state: 'succeeded', rowsDone: longRows })
  })

  test('of a job that is over forgets it with its result; after that there is none', async () => {
    const { id } = await ended(app.url, (await post('/score', { model: 'web', rows })).id)
    expect((await leftovers(app.home)).jobs).toEqual(expect.arrayContaining([`${id}.json`, `${id}.result`]))
    expect(outcome(await app.send('DELETE', `/jobs/${id}`))).toBe('204')
    expect((await leftovers(app.home)).jobs.filter((name) => name.startsWith(id))).toEqual([])
    for (const [method, path] of [
      ['GET', ''],
      ['GET', '/result'],
      ['GET', '/events'],
      ['DELETE', ''],
    ] as const)
      expect(outcome(await app.send(method, `/jobs/${id}${path}`))).toBe('404 job_not_found')
  })
})

describe('bounds', () => {
  test('a queue that is full refuses before the body is read, and requests that wait themselves go on', async () => {
    const jobs = [await longScore(), await longScore(), await longScore(), await longScore()]
    expect(outcome(await app.post('/score', { model: 'web', rows }, later))).toBe('503 overloaded')
    const head = rawRequest('POST /score?model=web', { Prefer: 'respond-async', 'Content-Length': '8000000000' }, '', {
      keep: true,
    })
    expect((await exchange(app.url, [head])).replies.map(outcome)).toEqual(['503 overloaded'])
    expect(outcome(await app.post('/score', { model: 'web', rows }))).toBe('200')
    expect(outcome(await app.get(`/jobs/${jobs[1]!.id}/result`))).toBe('409 job_not_finished')
    for (const { id } of jobs) expect(outcome(await app.send('DELETE', `/jobs/${id}`))).toBe('204')
    expect((await leftovers(app.home)).spool).toEqual([])
    jobOf(await app.post('/score', { model: 'web', rows }, later))
  })

  test('bodies that wait in memory are bounded together', async () => {
    const small = await serveApp({ DEEPWATCH_JSON_BYTES: '64KiB', DEEPWATCH_JOBS_RUNNING: '1' })
    await trainSmall(small, 'web')
    await writeLongFile(small.home)
    const long = await submit(small.url, '/score', { json: { model: 'web', source: { path: 'long.csv' } } })
    const json = { model: 'web', rows: Array(1000).fill({ cpu: 0.123456789012, latency: 12.123456789012 }) }
    const outcomes: string[] = []
    for (let count = 0; count < 6; count++) outcomes.push(outcome(await small.post('/score', json, later)))
    expect(outcomes.slice(0, 4)).toEqual(Array(4).fill('202'))
    expect(outcomes).toContain('503 overloaded')
    expect(outcome(await small.send('DELETE', `/jobs/${long.id}`))).toBe('204')
  })

  test('results too: the oldest make room, and one that is larger than all is refused', async () => {
    const tight = await serveApp({ DEEPWATCH_JOBS_RESULT_BYTES: '16KiB' })
    await trainSmall(tight, 'web')
    const score = async (count: number) => {
      const json = { model: 'web', rows: Array(count).fill(markedRows(1)[0]) }
      return ended(tight.url, (await submit(tight.url, '/score', { json })).id)
    }
    const [first, second] = [await score(150), await score(150)]
    expect([first, second]).toMatchObject([{ state: 'succeeded' }, { state: 'succeeded' }])
    expect(outcome(await tight.get(`/jobs/${first!.id}/result`))).toBe('404 job_not_found')
    expect(outcome(await tight.get(`/jobs/${second!.id}/result`))).toBe('200')
    expect(await score(1000)).toMatchObject({ state: 'failed', problem: { code: 'result_too_large', limit: 16_384 } })
    expect((await leftovers(tight.home)).jobs.filter((name) => /^\.|result$/.test(name)).length).toBeLessThan(2)
  })

  test('finished jobs are kept for a time and in a number', async () => {
    const brief = await serveApp({ DEEPWATCH_JOBS_KEPT: '2', DEEPWATCH_JOBS_KEEP_MS: '1500' })
    await trainSmall(brief, 'web')
    const ids: string[] = []
    for (let count = 0; count < 3; count++) {
      const { id } = await submit(brief.url, '/score', { json: { model: 'web', rows: markedRows(2) } })
      await ended(brief.url, id)
      ids.push(id)
    }
    expect(outcome(await brief.get(`/jobs/${ids[0]}`))).toBe('404 job_not_found')
    expect(outcome(await brief.get(`/jobs/${ids[1]}/result`))).toBe('200')
    while ((await leftovers(brief.home)).jobs.length > 0);
    expect(outcome(await brief.get(`/jobs/${ids[2]}`))).toBe('404 job_not_found')
    expect((await brief.get('/jobs')).json()).toEqual({ jobs: [], next: null })
  })
})

describe('ids', () => {
  test.each([
    ['nonsense', '400 invalid_id'],
    ['00000000-0000-4000-8000-00000000000', '400 invalid_id'],
    ['00000000-0000-4000-8000-00000000000G', '400 invalid_id'],
    ['..%2f..%2fmodels', '400 invalid_id'],
    ['%00', '400 invalid_id'],
    ['%F0%9F%92%A5', '400 invalid_id'],
    ['x'.repeat(300), '414 uri_too_long'],
    ['00000000-0000-4000-8000-000000000000', '404 job_not_found'],
    ['00000000-0000-4000-8000-000000000000?x=1', '422 validation_failed'],
  ])('%s answers %s', async (id, expected) => {
    const [path, query = ''] = id.split('?')
    for (const [method, rest] of [
      ['GET', ''],
      ['GET', '/result'],
      ['GET', '/events'],
      ['DELETE', ''],
    ] as const)
      expect(outcome(await app.send(method, `/jobs/${path}${rest}${query && `?${query}`}`)), rest).toBe(expected)
  })

  test('a page after an unknown job is empty, and a limit has bounds', async () => {
    expect((await app.get('/jobs?after=nobody')).json()).toEqual({ jobs: [], next: null })
    for (const limit of ['0', '-1', '1000', 'x', '1e2'])
      expect(outcome(await app.get(`/jobs?limit=${limit}`))).toBe('422 validation_failed')
  })
})

import { mkdir, readdir, readFile, truncate, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freshFolder } from '../endings.ts'
import { type Child, startChild } from './child.ts'
import { inspectLog, markedRows, outcome, sendTo, serveApp, smallForest, trainSmall } from './client.ts'
import { ended, essence, heard, leftovers, longCsv, readersOf, submit } from './jobs-tools.ts'

const forest = { detector: smallForest }
const upload = { body: longCsv, headers: { 'content-type': 'text/csv' } }

async function start(home: string, settings: Record<string, string> = {}): Promise<{ child: Child; url: string }> {
  const child = startChild({
    PORT: '0',
    DEEPWATCH_CORES: '2',
    DEEPWATCH_JOBS_RUNNING: '1',
    DEEPWATCH_HOME: home,
    ...settings,
  })
  return { child, url: await child.ready }
}

/** A job that is over, one at work on an upload and one that waits, in a service that is about to end. */
async function threeJobs(url: string, trees = 1000): Promise<{ over: string; running: string; waiting: string }> {
  const train = { model: 'web', rows: markedRows(), ...forest }
  const over = await submit(url, '/train', { json: train, headers: { 'idempotency-key': 'kept' } })
  await ended(url, over.id)
  const detector = encodeURIComponent(JSON.stringify({ type: 'isolation-forest', trees }))
  const running = await submit(url, `/train?model=never&detector=${detector}`, upload)
  const json = { model: 'web', rows: markedRows(4) }
  const waiting = await submit(url, '/score', { json, headers: { 'idempotency-key': 'freed' } })
  await heard(url, running.id, ({ stage }) => stage === 'sampling')
  return { over: over.id, running: running.id, waiting: waiting.id }
}

async function checkAfter(url: string, home: string, ids: { over: string; running: string; waiting: string }) {
  const get = (path: string) => sendTo(url, 'GET', path)
  for (const id of [ids.running, ids.waiting]) {
    expect((await get(`/jobs/${id}`)).json()).toMatchObject({
      state: 'interrupted',
      finishedAt: expect.any(String),
      result: null,
    })
    expect(outcome(await get(`/jobs/${id}/result`))).toBe('409 job_interrupted')
    expect((await get(`/jobs/${id}/events`)).text).toContain('"state":"interrupted"')
  }
  expect((await get('/models')).json<{ models: { name: string }[] }>().models.map(({ name }) => name)).toEqual(['web'])
  const { spool, jobs } = await leftovers(home)
  expect(spool).toEqual([])
  expect(jobs.sort()).toEqual(
    [`${ids.over}.json`, `${ids.over}.result`, `${ids.running}.json`, `${ids.waiting}.json`].sort(),
  )
  // A key stands for the answer it was given, and is free where there was none.
  const train = { model: 'web', rows: markedRows(), ...forest }
  const again = await sendTo(url, 'POST', '/train', { json: train, headers: { 'idempotency-key': 'kept' } })
  expect(essence(again)).toEqual(essence(await get(`/jobs/${ids.over}/result`)))
  const json = { model: 'web', rows: markedRows(4) }
  const retried = await submit(url, '/score', { json, headers: { 'idempotency-key': 'freed' } })
  expect(retried.id).not.toBe(ids.waiting)
  expect(await ended(url, retried.id)).toMatchObject({ state: 'succeeded' })
}

describe('F27: after a restart', () => {
  test('a kill has made what was not over interrupted, and what was over is as it was', async () => {
    const home = await freshFolder()
    const first = await start(home)
    const ids = await threeJobs(first.url)
    const before = await sendTo(first.url, 'GET', `/jobs/${ids.over}`)
    first.child.process.kill('SIGKILL')
    await first.child.exit
    const second = await start(home)
    expect((await sendTo(second.url, 'GET', `/jobs/${ids.over}`)).json()).toEqual({
      ...before.json(),
      expiresAt: expect.any(String),
    })
    await checkAfter(second.url, home, ids)
    inspectLog(second.child.log)
  })

  test('a stop lets the running job end when it can, interrupts what waits, and exits 0', async () => {
    const home = await freshFolder()
    const first = await start(home)
    const ids = await threeJobs(first.url, 10)
    first.child.process.kill('SIGTERM')
    expect(await first.child.exit).toBe(0)
    const second = await start(home)
    const state = async (id: string) => (await sendTo(second.url, 'GET', `/jobs/${id}`)).json()['state']
    expect([await state(ids.running), await state(ids.waiting)]).toEqual(['succeeded', 'interrupted'])
    const result = await sendTo(second.url, 'GET', `/jobs/${ids.running}/result`)
    expect([result.status, result.headers['location']]).toEqual([201, '/models/never/versions/1'])
    inspectLog(first.child.log)
  })

  test('a stop interrupts a job that takes longer than there is, processes and all, and exits 0', async () => {
    const home = await freshFolder()
    const first = await start(home, { DEEPWATCH_DRAIN_MS: '6000' })
    const ids = await threeJobs(first.url)
    expect((await readersOf(home, first.child.process.pid)).length).toBeGreaterThan(0)
    first.child.process.kill('SIGTERM')
    expect(await first.child.exit).toBe(0)
    await checkAfter((await start(home)).url, home, ids)
  })
})

describe('damaged files', () => {
  test('are passed over and named, leave the others alone, and go when they are old', async () => {
    const home = await freshFolder()
    const folder = join(home, 'jobs')
    const app = await serveApp({ DEEPWATCH_HOME: home })
    await trainSmall(app, 'web')
    const ids: string[] = []
    for (let count = 0; count < 6; count++) {
      const { id } = await submit(app.url, '/score', { json: { model: 'web', rows: markedRows(2) } })
      await ended(app.url, id)
      ids.push(id)
    }
    await app.stop()
    const [good, cut, changed, empty, lost, short] = ids as [string, string, string, string, string, string]
    const path = (id: string) => join(folder, `${id}.json`)
    const text = await readFile(path(cut), 'utf8')
    await truncate(path(cut), text.length - 20)
    await writeFile(path(changed), (await readFile(path(changed), 'utf8')).replace('succeeded', 'cancelled'))
    await writeFile(path(empty), '')
    await writeFile(join(folder, `${lost}.json.other`), 'not ours')
    await writeFile(path('00000000-0000-4000-8000-000000000000'), await readFile(path(good)))
    await writeFile(join(folder, '.tmp-0123456789abcdef'), 'half')
    await writeFile(join(folder, '00000000-0000-4000-8000-000000000001.result'), 'of nobody')
    await mkdir(path('00000000-0000-4000-8000-000000000002'))
    await truncate(join(folder, `${short}.result`), 3)
    const old = new Date(Date.now() - 100_000_000)
    await utimes(path(empty), old, old)

    const again = await serveApp({ DEEPWATCH_HOME: home })
    const { jobs } = (await again.get('/jobs')).json<{ jobs: { id: string }[] }>()
    expect(jobs.map(({ id }) => id).sort()).toEqual([good, lost].sort())
    expect(outcome(await again.get(`/jobs/${good}/result`))).toBe('200')
    expect(again.log.find(({ msg }) => msg === 'stored jobs cannot be used')).toMatchObject({ level: 'warn', count: 4 })
    const names = await readdir(folder)
    expect(names).not.toContain('.tmp-0123456789abcdef')
    expect(names).not.toContain(`${empty}.json`)
    expect(names.filter((name) => name.endsWith('.result')).sort()).toEqual([`${good}.result`, `${lost}.result`].sort())
  })
})

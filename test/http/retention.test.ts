import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { defaultKeep } from '../../src/schemas/index.ts'
import { type HttpApp, outcome, serveApp, trainSmall } from './client.ts'
import { ended, submit, versionsOf, writeLongFile } from './jobs-tools.ts'
import { holdAnswer } from './wire.ts'

let app: HttpApp

beforeAll(async () => {
  app = await serveApp({ DEEPWATCH_JOBS_RUNNING: '1' })
})

async function train(model: string, times: number, more: object = {}): Promise<Record<string, unknown>> {
  for (let left = times; left > 1; left--) await trainSmall(app, model, more)
  return trainSmall(app, model, more)
}

const filesOf = async (model: string) =>
  (await readdir(join(app.home, 'models', model)))
    .filter((name) => name.endsWith('.dwm'))
    .map((name) => Number.parseInt(name, 10))
const warningsOf = (document: object) =>
  (document as { warnings: { code: string; message: string }[] }).warnings.filter(
    ({ code }) => code === 'versions_removed',
  )
const upTo = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, index) => first + index)
const counted = async (reason: string) =>
  Number(
    new RegExp(`deepwatch_versions_removed_total\\{reason="${reason}"\\} (\\d+)`).exec(
      (await app.get('/metrics')).text,
    )![1],
  )

test('twenty-five trainings leave the newest twenty on the disk, counted and told', async () => {
  expect(await counted('expired')).toBe(0)
  const last = await train('nightly', 25)
  expect(defaultKeep).toBe(20)
  expect(await filesOf('nightly')).toEqual(upTo(6, 25))
  expect(await versionsOf(app, 'nightly')).toEqual(upTo(6, 25))
  expect(warningsOf(last)).toMatchObject([{ message: expect.stringMatching(/^The version 5 was removed/) }])
  expect(outcome(await app.get('/models/nightly/versions/5'))).toBe('404 version_not_found')
  expect(await counted('expired')).toBe(5)
  expect(existsSync(join(app.home, 'reports', 'nightly', '5.json'))).toBe(false)
})

test('keep says how many; 0 keeps all', async () => {
  await train('many', 23, { keep: 0 })
  expect(await filesOf('many')).toHaveLength(23)
  const last = await train('many', 1, { keep: 2 })
  expect(await versionsOf(app, 'many')).toEqual([23, 24])
  expect(warningsOf(last)[0]!.message).toMatch(/^The versions 1, 2, .*, 20 and 2 more were removed/)
  expect(outcome(await app.post('/train', { model: 'many', rows: [], keep: -1 }))).toBe('422 validation_failed')
})

test('the version that serves stays, however old', async () => {
  await train('pinned', 3)
  await app.send('PUT', '/models/pinned/serving', { json: { version: 1 } })
  await train('pinned', 3, { serve: false, keep: 2 })
  expect(await versionsOf(app, 'pinned')).toEqual([1, 5, 6])
  expect((await app.get('/models/pinned')).json()).toMatchObject({ serving: 1 })
})

test('a version stays while rows are scored with it', async () => {
  await train('held', 1)
  const answer = await holdAnswer(app.url, 'held@1')
  await train('held', 3, { keep: 1 })
  expect(await versionsOf(app, 'held')).toEqual([1, 4])
  await answer.rest()
  await train('held', 1, { keep: 1 })
  expect(await versionsOf(app, 'held')).toEqual([5])
})

test('and until a job that names it has waited, begun and ended', async () => {
  await train('queued', 1)
  const settings = { json: { model: 'queued@1', source: { path: await writeLongFile(app.home) } } }
  const jobs = [await submit(app.url, '/score', settings), await submit(app.url, '/score', settings)]
  await train('queued', 2, { keep: 1 })
  expect(await versionsOf(app, 'queued')).toEqual([1, 3])
  for (const { id } of jobs) expect(await ended(app.url, id)).toMatchObject({ state: 'succeeded' })
  await train('queued', 1, { keep: 1 })
  expect(await versionsOf(app, 'queued')).toEqual([4])
})

test('what somebody deletes is counted as deleted', async () => {
  const before = await counted('deleted')
  await train('gone', 3)
  await app.send('DELETE', '/models/gone/versions/2')
  await app.send('DELETE', '/models/gone')
  expect((await counted('deleted')) - before).toBe(3)
})

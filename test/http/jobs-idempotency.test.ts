import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import { canary, type HttpApp, markedRows, outcome, serveApp, smallForest, trainSmall } from './client.ts'
import { ended, essence, heard, jobOf, later, leftovers, longCsv, versionsOf, writeLongFile } from './jobs-tools.ts'
import { dial, exchange, rawJson, rawRequest } from './wire.ts'

let app: HttpApp
const rows = markedRows(64)
const key = (text: string) => ({ 'idempotency-key': text })

beforeAll(async () => {
  app = await serveApp({ DEEPWATCH_JOBS_RUNNING: '2' })
  await trainSmall(app, 'web')
  await writeLongFile(app.home)
})

describe('the same request with the same key', () => {
  test('is answered with the first answer, and done once', async () => {
    const json = { model: 'once', rows, detector: smallForest }
    const [first, second] = [await app.post('/train', json, key('a')), await app.post('/train', json, key('a'))]
    expect(first.status).toBe(201)
    expect(essence(second)).toEqual(essence(first))
    expect(await versionsOf(app, 'once')).toEqual([1])
    // Without it, or with another, it is done again.
    await app.post('/train', json)
    await app.post('/train', json, key('b'))
    expect(await versionsOf(app, 'once')).toEqual([1, 2, 3])
  })

  test('is the same wherever its settings stand, and whether the key is quoted', async () => {
    const json = { model: 'web', rows: rows.slice(0, 3) }
    const first = await app.post('/score', json, key('k"1'))
    const again = await app.post('/score?model=web', { rows: json.rows }, key('"k\\"1"'))
    expect(essence(again)).toEqual(essence(first))
  })

  test('is another one in another form, route, body or upload', async () => {
    const headers = { ...key('c'), 'content-type': 'text/csv' }
    const body = 'cpu,latency\n0.1,12\n'
    const send = (path: string, body: string, more = {}) =>
      app.send('POST', path, { body, headers: { ...headers, ...more } })
    const first = await send('/score?model=web', body)
    expect(outcome(first)).toBe('200')
    expect(essence(await send('/score?model=web', body))).toEqual(essence(first))
    for (const other of [
      await send('/score?model=web', body.replace('12', '13')),
      await send('/score?model=web@1', body),
      await send('/score?model=web&return=all', body),
      await send('/evaluate?model=web', body),
      await send('/score?model=web', body, { accept: 'application/x-ndjson' }),
      await send('/score?model=web', 'cpu\n1\n', later),
    ])
      expect(outcome(other)).toBe('409 idempotency_conflict')
    expect((await leftovers(app.home)).spool).toEqual([])
  })

  test('makes one job, however many ask at once', async () => {
    const json = { model: 'raced', rows, detector: smallForest }
    const replies = await Promise.all(
      Array.from({ length: 10 }, () => app.post('/train', json, { ...later, ...key('race') })),
    )
    const ids = new Set(replies.map((reply) => jobOf(reply).id))
    expect(ids.size).toBe(1)
    await ended(app.url, [...ids][0]!)
    expect(await versionsOf(app, 'raced')).toEqual([1])
    // Whoever would rather wait is answered with what the job made.
    const result = await app.get(`/jobs/${[...ids][0]}/result`)
    expect(essence(await app.post('/train', json, key('race')))).toEqual(essence(result))
  })

  test('is refused while the first is under way, and the first goes on', async () => {
    const json = { model: 'twice', rows, detector: smallForest }
    const replies = await Promise.all(Array.from({ length: 6 }, () => app.post('/train', json, key('wait'))))
    const outcomes = replies.map(outcome)
    expect(outcomes.filter((each) => each === '201').length).toBeGreaterThan(0)
    expect(outcomes.filter((each) => each !== '201' && each !== '409 idempotency_in_progress')).toEqual([])
    expect(replies.find(({ status }) => status === 409)?.headers['retry-after']).toBe('1')
    expect(await versionsOf(app, 'twice')).toEqual([1])
    const bodies = new Set(replies.filter(({ status }) => status === 201).map(({ text }) => text))
    expect(bodies.size).toBe(1)
  })

  test('is answered after the client of the first one left', async () => {
    const json = { model: 'left', source: { path: 'long.csv' }, detector: smallForest }
    const socket = await dial(app.url)
    socket.write(rawJson('/train', JSON.stringify(json), { 'Idempotency-Key': 'left' }))
    const job = await running('left')
    socket.destroy()
    expect(outcome(await app.post('/train', json, key('left')))).toBe('409 idempotency_in_progress')
    expect(await ended(app.url, job)).toMatchObject({ state: 'succeeded' })
    expect((await app.post('/train', json, key('left'))).json()).toMatchObject({ model: 'left', version: 1 })
    expect(await versionsOf(app, 'left')).toEqual([1])
  })

  test('that failed for a reason of its own fails again; one that was cancelled is free to be tried', async () => {
    const bad = { model: 'web', rows: [{ cpu: 1 }] }
    const [first, second] = [await app.post('/score', bad, key('bad')), await app.post('/score', bad, key('bad'))]
    const { requestId: _, ...problem } = first.json()
    expect([outcome(first), second.json()]).toEqual(['422 missing_feature', expect.objectContaining(problem)])
    const long = { model: 'web', source: { path: 'long.csv' }, return: 'none' }
    const job = jobOf(await app.post('/score', long, { ...later, ...key('free') }))
    await heard(app.url, job.id, ({ state }) => state === 'running')
    expect(outcome(await app.send('DELETE', `/jobs/${job.id}`))).toBe('204')
    const again = jobOf(await app.post('/score', long, { ...later, ...key('free') }))
    expect(again.id).not.toBe(job.id)
    expect(outcome(await app.send('DELETE', `/jobs/${again.id}`))).toBe('204')
  })

  test('whose job is cancelled while it is waited for answers that it was', async () => {
    const json = { model: 'web', source: { path: 'long.csv' } }
    const answer = app.post('/score', json, key('waited'))
    const job = await running('web')
    expect(outcome(await app.send('DELETE', `/jobs/${job}`))).toBe('204')
    expect(outcome(await answer)).toBe('409 job_cancelled')
  })

  test('is not done for settings that cannot be meant: the key stays free', async () => {
    expect(outcome(await app.post('/score', { model: 'web' }, key('typo')))).toBe('422 validation_failed')
    expect(outcome(await app.post('/score', { model: 'web', rows: rows.slice(0, 2) }, key('typo')))).toBe('200')
  })
})

/** The id of the running job for this model, as soon as there is one. */
async function running(model: string): Promise<string> {
  for (;;) {
    const { jobs } = (await app.get('/jobs')).json<{ jobs: { id: string; model: string; state: string }[] }>()
    const found = jobs.find((job) => job.model === model && job.state === 'running')
    if (found) return found.id
  }
}

describe('a key', () => {
  const body = JSON.stringify({ model: 'web', rows: rows.slice(0, 1) })
  test.each([
    ['one character', '!', '200'],
    ['255 characters', '~'.repeat(255), '200'],
    ['none', '', '400 invalid_id'],
    ['an empty string', '""', '400 invalid_id'],
    ['256 characters', 'x'.repeat(256), '400 invalid_id'],
    ['a space', 'a b', '400 invalid_id'],
    ['a tab', 'a\tb', '400 invalid_id'],
    ['Latin letters beyond ASCII', 'kéy', '400 invalid_id'],
    ['many kilobytes', 'x'.repeat(20_000), '431 headers_too_large'],
  ])('of %s', async (_name, text, expected) => {
    const { replies } = await exchange(app.url, [
      Buffer.from(rawJson('/score', body, { 'Idempotency-Key': text }), 'latin1'),
    ])
    expect(replies.map(outcome)).toEqual([expected])
  })

  test('given twice is none, and is refused before the body is read', async () => {
    const twice = rawRequest('POST /score', { 'Content-Type': 'text/csv', 'Content-Length': '1000' }, '', {
      keep: true,
    })
    const { replies } = await exchange(app.url, [
      twice.replace('\r\n\r\n', '\r\nIdempotency-Key: a\r\nIdempotency-Key: b\r\n\r\n'),
    ])
    expect(replies.map(outcome)).toEqual(['400 invalid_id'])
  })

  test('that would smuggle a field or an event in does not', async () => {
    const hostile = `x\\r\\nSet-Cookie:a=1;"{}<script>`
    const reply = await app.post('/score', { model: 'web', rows: rows.slice(0, 1) }, { ...later, ...key(hostile) })
    const { id } = jobOf(reply)
    expect(reply.headers['set-cookie']).toBeUndefined()
    await ended(app.url, id)
    expect((await app.get(`/jobs/${id}`)).text).not.toContain('script')
  })
})

describe('with tokens', () => {
  const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
  const bearer = (name: string) => ({ authorization: `Bearer ${canary}-${name}` })
  let guarded: HttpApp

  beforeAll(async () => {
    guarded = await serveApp({
      DEEPWATCH_TOKENS: [
        ['one', 'score'],
        ['two', 'score'],
        ['both', 'score+train'],
        ['boss', 'admin'],
        ['reader', 'read'],
      ]
        .map(([name, scope]) => `${name}:${scope}:${sha256(`${canary}-${name}`)}`)
        .join(','),
    })
    const trained = await guarded.post('/train', { model: 'web', rows, detector: smallForest }, bearer('both'))
    expect(outcome(trained)).toBe('201')
  })

  test('a key belongs to one of them', async () => {
    const json = { model: 'web', rows: rows.slice(0, 2) }
    const [one, two] = await Promise.all(
      ['one', 'two'].map((name) => guarded.post('/score', json, { ...later, ...key('mine'), ...bearer(name) })),
    )
    expect(jobOf(one!).id).not.toBe(jobOf(two!).id)
    const other = await guarded.post('/score', { ...json, return: 'none' }, { ...key('mine'), ...bearer('two') })
    expect(outcome(other)).toBe('409 idempotency_conflict')
  })

  test('a job is there for its own token and for admin, and for others it is not', async () => {
    const ask = async (name: string, path: string, json: object) =>
      jobOf(await guarded.post(path, json, { ...later, ...bearer(name) }))
    const scored = await ask('one', '/score', { model: 'web', rows: rows.slice(0, 2) })
    const trained = await ask('both', '/train', { model: 'new', rows, detector: smallForest })
    for (const { id } of [scored, trained]) await ended(guarded.url, id, bearer('boss'))
    const see = async (name: string, id: string) => {
      const outcomes: string[] = []
      for (const rest of ['', '/result', '/events'])
        outcomes.push(outcome(await guarded.get(`/jobs/${id}${rest}`, bearer(name))))
      return outcomes
    }
    const hidden = Array(3).fill('404 job_not_found')
    const own = ['200', '200', '200']
    expect(await see('one', scored.id)).toEqual(own)
    expect(await see('two', scored.id)).toEqual(hidden)
    expect(await see('both', scored.id)).toEqual(hidden)
    expect(await see('both', trained.id)).toEqual(['200', '201', '200'])
    expect(await see('one', trained.id)).toEqual(hidden)
    expect(await see('boss', scored.id)).toEqual(own)
    expect(await see('reader', scored.id)).toEqual(Array(3).fill('403 forbidden'))
    const listed = async (name: string) =>
      (await guarded.get('/jobs', bearer(name))).json<{ jobs: { id: string }[] }>().jobs.map(({ id }) => id)
    expect(await listed('both')).toEqual([trained.id])
    expect((await listed('one')).includes(scored.id)).toBe(true)
    expect((await listed('two')).includes(scored.id)).toBe(false)
    expect(await listed('boss')).toEqual(expect.arrayContaining([scored.id, trained.id]))
    const remove = async (name: string) =>
      outcome(await guarded.send('DELETE', `/jobs/${scored.id}`, { headers: bearer(name) }))
    expect([await remove('two'), await remove('one'), await remove('boss')]).toEqual([
      '404 job_not_found',
      '204',
      '404 job_not_found',
    ])
  })
})

test('an upload of a job is spooled once, and only as long as it is needed', async () => {
  const headers = { ...later, ...key('upload'), 'content-type': 'text/csv' }
  const send = () => app.send('POST', '/score?model=web&return=none', { body: longCsv, headers })
  const first = jobOf(await send())
  expect(jobOf(await send()).id).toBe(first.id)
  expect((await leftovers(app.home)).spool.length).toBeLessThan(2)
  expect(await ended(app.url, first.id)).toMatchObject({ state: 'succeeded' })
  expect((await leftovers(app.home)).spool).toEqual([])
})

import { once } from 'node:events'
import type { Socket } from 'node:net'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type HttpApp, markedRows, outcome, serveApp, trainSmall } from './client.ts'
import { ended, heard, leftovers, parseEvents, submit, writeLongFile } from './jobs-tools.ts'
import { dial, rawRequest } from './wire.ts'

let app: HttpApp

beforeAll(async () => {
  app = await serveApp({ DEEPWATCH_JOBS_RUNNING: '1', DEEPWATCH_JOBS_LISTENERS: '3', DEEPWATCH_BODY_STALL_MS: '500' })
  await trainSmall(app, 'web')
  await writeLongFile(app.home)
})

const long = (settings: object = { return: 'none' }) =>
  submit(app.url, '/score', { json: { model: 'web', source: { path: 'long.csv' }, ...settings } })
const short = () => submit(app.url, '/score', { json: { model: 'web', rows: markedRows(4) } })
const cancel = async (id: string) => expect(outcome(await app.send('DELETE', `/jobs/${id}`))).toBe('204')

describe('the events of a job', () => {
  test('are its document at every change, in order, progress a few times a second, and end with it', async () => {
    const first = await long()
    const { id } = await submit(app.url, '/train', { json: { model: 'new', source: { path: 'long.csv' } } })
    const started = performance.now()
    const reply = await app.get(`/jobs/${id}/events`, { accept: 'text/event-stream' })
    const seconds = (performance.now() - started) / 1000
    expect(reply.headers).toMatchObject({ 'content-type': 'text/event-stream', 'cache-control': 'no-store' })
    const events = parseEvents(reply.text)
    const changes = events.filter(
      ({ job }, at) => at === 0 || job.stage !== events[at - 1]!.job.stage || job.state !== events[at - 1]!.job.state,
    )
    const told = changes.map(({ job }) => `${job.state} ${job.stage}`)
    expect(told.filter((each) => /waiting|sampling|fitting|scoring/.test(each)).slice(0, 5)).toEqual([
      'queued waiting',
      'running waiting',
      'running sampling',
      'running fitting',
      'running scoring',
    ])
    expect(told.at(-1)).toMatch(/^succeeded /)
    expect(new Set(told).size).toBe(told.length)
    expect(events.length - changes.length).toBeLessThan(4 * seconds + 6)
    expect(events.at(-1)).toMatchObject({ id: 'end', job: { result: `/jobs/${id}/result` } })
    const ids = events.slice(0, -1).map((event) => Number(event.id))
    expect(ids).toEqual([...ids].sort((a, b) => a - b))
    expect(ids[0]).toBeGreaterThan(0)
    expect((await app.get(`/jobs/${first.id}`)).json()).toMatchObject({ state: 'succeeded' })
  })

  test('go on where a listener left off, and are over for whoever heard the last one', async () => {
    const { id } = await short()
    await ended(app.url, id)
    const listen = async (last: string) => app.get(`/jobs/${id}/events`, { 'last-event-id': last })
    expect(parseEvents((await listen('1')).text).map(({ job }) => job.state)).toEqual(
      expect.arrayContaining(['running', 'succeeded']),
    )
    for (const last of ['999', '-1', 'x', '1e99', '', 'NaN', '💥'.normalize()])
      expect(
        parseEvents((await listen(encodeURIComponent(last))).text).map(({ job }) => job.state),
        last,
      ).toEqual(['succeeded'])
    expect(outcome(await listen('end'))).toBe('204')
  })

  test('a listener who leaves, or takes nothing, holds nothing', async () => {
    const { id } = await long({ return: 'all' })
    const sockets: Socket[] = []
    for (let count = 0; count < 3; count++) {
      const socket = await dial(app.url)
      socket.write(rawRequest(`GET /jobs/${id}/events`))
      await once(socket, 'data')
      socket.pause()
      sockets.push(socket)
    }
    const full = await app.get(`/jobs/${id}/events`)
    expect([outcome(full), full.headers['retry-after']]).toEqual(['503 overloaded', '1'])
    for (const socket of sockets.slice(1)) socket.destroy()
    await vi.waitUntil(async () => isOpen(id), { interval: 5, timeout: 10_000 })
    await cancel(id)
    sockets[0]!.destroy()
  })

  /** Whether one more may listen; it does not stay. */
  async function isOpen(id: string): Promise<boolean> {
    const socket = await dial(app.url)
    socket.write(rawRequest(`GET /jobs/${id}/events`))
    const [chunk] = (await once(socket, 'data')) as [Buffer]
    socket.destroy()
    return chunk.toString().startsWith('HTTP/1.1 200')
  }

  test('have no HEAD, which would wait for the end', async () => {
    const { id } = await short()
    expect((await app.send('HEAD', `/jobs/${id}/events`)).status).toBe(405)
  })

  test('two hundred who come and go leave no listener behind', async () => {
    const { id } = await long({ return: 'all' })
    for (let round = 0; round < 100; round++) {
      const sockets = await Promise.all([0, 1].map(() => dial(app.url)))
      for (const socket of sockets) socket.write(rawRequest(`GET /jobs/${id}/events`))
      for (const socket of sockets) socket.destroy()
    }
    await vi.waitUntil(async () => isOpen(id), { interval: 5, timeout: 10_000 })
    await cancel(id)
    expect((await leftovers(app.home)).spool).toEqual([])
  })
})

test('a stop tells the last state and is not held up by listeners', async () => {
  const stopped = await serveApp({ DEEPWATCH_JOBS_RUNNING: '1', DEEPWATCH_DRAIN_MS: '1000' })
  await trainSmall(stopped, 'web')
  await writeLongFile(stopped.home)
  const ask = (model: string) =>
    submit(stopped.url, '/train', {
      json: { model, source: { path: 'long.csv' }, detector: { type: 'isolation-forest', trees: 1000 } },
    })
  const [running, waiting] = [await ask('long'), await ask('never')]
  await heard(stopped.url, running.id, ({ stage }) => stage === 'sampling')
  const [silent, ...listeners] = await Promise.all([running, running, waiting].map(({ id }) => listen(id)))
  silent!.socket.pause()
  const started = performance.now()
  await stopped.stop()
  expect(performance.now() - started).toBeLessThan(3000)
  for (const { text } of listeners) expect(text()).toMatch(/id: end\nevent: job\ndata: .*"state":"interrupted"/)
  silent!.socket.destroy()

  /** A listener who has heard the first event. */
  async function listen(id: string): Promise<{ socket: Socket; text: () => string }> {
    const socket = await dial(stopped.url)
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString()
    })
    socket.write(rawRequest(`GET /jobs/${id}/events`))
    while (!text.includes('data: ')) await once(socket, 'data')
    return { socket, text: () => text }
  }
})

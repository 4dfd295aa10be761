import { once } from 'node:events'
import type { Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { buildApp } from '../../src/app.ts'
import { loadConfig } from '../../src/config.ts'
import { createLog } from '../../src/observe/log.ts'
import { atTheEnd } from '../endings.ts'
import { type HttpApp, markedRows, outcome, sendTo, serveApp, smallForest, trainSmall } from './client.ts'
import { readExposition } from './exposition.ts'
import { dial, endless, exchange, rawHead, rawRequest } from './wire.ts'

const csv = { 'Content-Type': 'text/csv' }

/** Node takes 64 KiB at a time, and once more before it stops. */
const fewBuffers = 160 * 1024

/** The server's ends of the connections made from now on. */
function accepted(app: HttpApp): Socket[] {
  const sockets: Socket[] = []
  app.app.http.server.on('connection', (socket) => sockets.push(socket))
  return sockets
}

describe('row 110: before it has started', () => {
  test('the service lives, is not ready, and answers 503 starting with Retry-After', async () => {
    const config = loadConfig({ PORT: '0', LOG_LEVEL: 'silent' })
    const app = await buildApp(config, createLog(config))
    atTheEnd(() => app.stop())
    const url = await app.http.listen({ host: '127.0.0.1', port: 0 })
    expect(outcome(await sendTo(url, 'GET', '/livez'))).toBe('200')
    for (const [method, path] of [
      ['GET', '/readyz'],
      ['POST', '/score'],
      ['POST', '/train'],
      ['GET', '/models'],
      ['PUT', '/models/web/serving'],
      ['DELETE', '/models/web'],
    ] as const) {
      const reply = await sendTo(
        url,
        method,
        path,
        method === 'POST' || method === 'PUT' ? { json: { model: 'web', version: 1 } } : {},
      )
      expect(outcome(reply), path).toBe('503 starting')
      expect(reply.headers['retry-after']).toBe('1')
    }
    expect(outcome(await sendTo(url, 'GET', '/metrics'))).toBe('200')
    expect(outcome(await sendTo(url, 'GET', '/openapi.json'))).toBe('200')
  })
})

describe('F17: without room for more work', () => {
  test('a full pool queue answers 503 with Retry-After, having read next to nothing of an upload', async () => {
    const app = await serveApp({ DEEPWATCH_CORES: '1', DEEPWATCH_POOL_QUEUE: '1' })
    await trainSmall(app, 'web')
    await trainSmall(app, 'slow', { detector: { type: 'isolation-forest', trees: 1000, sampleSize: 64, seed: 1 } })
    const rows = Array(100_000).fill({ cpu: 1, latency: 2 })
    const busy = app.post('/score', { model: 'slow', rows, return: 'none' })
    const waiting = async () =>
      readExposition((await app.get('/metrics')).text, 'text').value('deepwatch_pool_queue_size')
    while (((await waiting()) ?? 0) < 1);
    const sockets = accepted(app)
    const upload = await exchange(app.url, endless(rawHead('POST /score?model=web', csv)))
    expect(upload.replies.map(outcome)).toEqual(['503 overloaded'])
    expect(upload.replies[0]!.headers).toMatchObject({ 'retry-after': '1', connection: 'close' })
    const announced = rawRequest('POST /train?model=web', { ...csv, 'Content-Length': '8000000000' }, '', {
      keep: true,
    })
    expect((await exchange(app.url, [announced, 'cpu,latency\n'])).replies.map(outcome)).toEqual(['503 overloaded'])
    expect(sockets.map(({ bytesRead }) => bytesRead < fewBuffers)).toEqual([true, true])
    expect(outcome(await app.post('/score', { model: 'web', rows: markedRows(4) }))).toBe('503 overloaded')
    // What needs no thread goes on, and what was accepted is finished.
    expect(outcome(await app.get('/models/web'))).toBe('200')
    expect(outcome(await app.get('/readyz'))).toBe('200')
    expect((await busy).json()).toMatchObject({ rows: 100_000, unscored: 0 })
    expect(outcome(await app.post('/score', { model: 'web', rows: markedRows(4) }))).toBe('200')
  })

  test('busy reading processes refuse files before they are sent, and JSON rows go on', async () => {
    const app = await serveApp({ DEEPWATCH_READERS: '1', DEEPWATCH_READER_QUEUE: '0' })
    await trainSmall(app, 'web')
    // A client that does not take its answer keeps the only process.
    const name = 'n'.repeat(8_000)
    const body = `cpu,latency,${name}\n${'0.1,12,1\n'.repeat(10_000)}`
    const search = `model=web&return=all&include=${encodeURIComponent(JSON.stringify([name]))}`
    const holder = await dial(app.url)
    holder.write(rawRequest(`POST /score?${search}`, { ...csv, 'Content-Length': String(body.length) }, body))
    await once(holder, 'data')
    holder.pause()
    const sockets = accepted(app)
    const { replies } = await exchange(app.url, endless(rawHead('POST /score?model=web', csv)))
    expect(replies.map(outcome)).toEqual(['503 overloaded'])
    expect(sockets[0]!.bytesRead).toBeLessThan(fewBuffers)
    expect(outcome(await app.post('/score', { model: 'web', rows: markedRows(4) }))).toBe('200')
    holder.destroy()
  })
})

describe('T10: slow clients', () => {
  const opened: Socket[] = []
  afterEach(() => {
    for (const socket of opened.splice(0)) socket.destroy()
  })

  async function connect(app: HttpApp, text: string): Promise<Socket> {
    const socket = await dial(app.url)
    opened.push(socket)
    socket.write(text)
    return socket
  }

  /** What the server says until it closes. */
  async function lastWords(socket: Socket): Promise<string> {
    let text = ''
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    if (!socket.readableEnded) await once(socket, 'end')
    return text
  }

  test('in the fields, in the body and in the answer are dropped, and others are served meanwhile', async () => {
    const app = await serveApp({ DEEPWATCH_BODY_STALL_MS: '300' })
    await trainSmall(app, 'web')
    // The time for the fields is no setting; ten seconds would be long for a test.
    app.app.http.server.headersTimeout = 300
    const many = (text: string) => Promise.all(Array.from({ length: 20 }, () => connect(app, text)))
    const slow = [
      await many('GET /livez HTTP/1.1\r\nHost: t\r\nX-'),
      await many(rawRequest('POST /score', { 'Content-Type': 'application/json', 'Content-Length': '1000' }, '{"mod')),
      await many(rawRequest('POST /score?model=web', { ...csv, 'Content-Length': '1000' }, 'cpu,lat')),
      await many(`${rawHead('POST /train', { 'Content-Type': 'multipart/form-data; boundary=b' })}5\r\n--b\r\n\r\n`),
    ]
    expect(outcome(await app.post('/score', { model: 'web', rows: markedRows(4) }))).toBe('200')
    for (const sockets of slow)
      for (const text of await Promise.all(sockets.map(lastWords)))
        expect(text).toMatch(/^HTTP\/1\.1 408 [\s\S]*"code":"request_timeout"/)
    expect(outcome(await app.post('/score', { model: 'web', rows: markedRows(4) }))).toBe('200')
  })

  test('are looked out for where a body is still to come, and not where it came with its head', async () => {
    const app = await serveApp({ DEEPWATCH_BODY_STALL_MS: '1234' })
    await trainSmall(app, 'web')
    const body = JSON.stringify({ model: 'web', rows: markedRows(1) })
    const head = rawRequest('POST /score', {
      'Content-Type': 'application/json',
      'Content-Length': String(body.length),
    })
    const timers = vi.spyOn(globalThis, 'setInterval')
    const watches = () => timers.mock.calls.filter(([, milliseconds]) => milliseconds === 617).length
    try {
      expect(await lastWords(await connect(app, head + body))).toMatch(/^HTTP\/1\.1 200 /)
      expect(watches()).toBe(0)
      const socket = await connect(app, head + body.slice(0, 10))
      await vi.waitUntil(() => watches() === 1, { interval: 5 })
      socket.write(body.slice(10))
      expect(await lastWords(socket)).toMatch(/^HTTP\/1\.1 200 /)
      expect(watches()).toBe(1)
    } finally {
      timers.mockRestore()
    }
  })

  test('that send a byte now and then are too slow for a body', async () => {
    const app = await serveApp({ DEEPWATCH_BODY_STALL_MS: '300', DEEPWATCH_BODY_MIN_RATE: '10000' })
    for (const [path, type] of [
      ['/score', 'application/json'],
      ['/score?model=web', 'text/csv'],
    ] as const) {
      const socket = await connect(
        app,
        rawRequest(`POST ${path}`, { 'Content-Type': type, 'Content-Length': '100000' }),
      )
      const trickle = setInterval(() => socket.write(' '), 20)
      expect(await lastWords(socket)).toMatch(/^HTTP\/1\.1 408 /)
      clearInterval(trickle)
    }
  })

  test('that take no answer are dropped, whether it is long or there are many short ones', async () => {
    const app = await serveApp({ DEEPWATCH_BODY_STALL_MS: '300' })
    await trainSmall(app, 'web')
    const sockets = accepted(app)
    const name = 'n'.repeat(8_000)
    const rows = [{ cpu: 1, latency: 2, [name]: 1 }, ...Array(10_000).fill({ cpu: 1, latency: 2 })]
    const body = JSON.stringify({ model: 'web', include: [name], rows })
    const long = await connect(
      app,
      rawRequest('POST /score', { 'Content-Type': 'application/json', 'Content-Length': String(body.length) }, body),
    )
    const short = await connect(app, rawRequest('GET /openapi.json', {}, '', { keep: true }).repeat(500))
    for (const socket of [long, short]) socket.pause()
    await Promise.all(sockets.map((socket) => once(socket, 'close')))
    expect(outcome(await app.get('/livez'))).toBe('200')
    // None of the 500 is still waited for.
    await app.stop()
  })

  test('that ask for nothing more are not dropped while their training runs', async () => {
    const app = await serveApp({ DEEPWATCH_BODY_STALL_MS: '100' })
    const asked = JSON.stringify({
      model: 'web',
      rows: markedRows(20_000),
      detector: { ...smallForest, trees: 1000, sampleSize: 256 },
    })
    const socket = await connect(
      app,
      rawRequest('GET /livez', {}, '', { keep: true }) +
        rawRequest(
          'POST /train',
          { 'Content-Type': 'application/json', 'Content-Length': String(asked.length) },
          asked,
        ),
    )
    expect(await lastWords(socket)).toMatch(/^HTTP\/1\.1 200 [\s\S]*HTTP\/1\.1 201 /)
  })
})

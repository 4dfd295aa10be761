import { beforeAll, describe, expect, test } from 'vitest'
import { type HttpApp, outcome, serveApp, trainSmall } from './client.ts'
import { dial, endless, exchange, rawHead, rawJson, rawRequest } from './wire.ts'

let app: HttpApp
const scored = JSON.stringify({ model: 'web', rows: [{ cpu: 0.1, latency: 12 }] })

beforeAll(async () => {
  app = await serveApp()
  await trainSmall(app, 'web')
})

describe('connections', () => {
  test('row 21: 1,000 pipelined requests are served in order', async () => {
    const line = (index: number) =>
      rawRequest(`GET /models/${index % 2 ? 'web' : 'none'}`, index < 999 ? { Connection: 'keep-alive' } : {})
    const { replies } = await exchange(app.url, [Array.from({ length: 1000 }, (_, index) => line(index)).join('')])
    expect(replies.map((reply) => reply.status)).toEqual(
      Array.from({ length: 1000 }, (_, index) => (index % 2 ? 200 : 404)),
    )
  })

  test('row 17: Expect 100-continue is honoured before a body, once', async () => {
    const socket = await dial(app.url)
    let text = ''
    const seen = (pattern: RegExp) =>
      new Promise<void>((resolve) => {
        const look = () => {
          if (!pattern.test(text)) return
          socket.off('data', take)
          resolve()
        }
        const take = (chunk: Buffer) => {
          text += chunk.toString('latin1')
          look()
        }
        socket.on('data', take)
      })
    socket.write(rawJson('/score', '', { 'Content-Length': String(scored.length), Expect: '100-continue' }))
    await seen(/^HTTP\/1\.1 100 Continue\r\n\r\n$/)
    socket.write(scored)
    await seen(/"unscored":0\}$/)
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200'])
    socket.destroy()
  })

  test('row 17: a body that is not wanted is not asked for', async () => {
    const head = rawRequest(
      'POST /score?nonsense=1',
      { 'Content-Type': 'text/csv', 'Content-Length': '9999', Expect: '100-continue' },
      '',
      { keep: true },
    )
    const { replies, interim } = await exchange(app.url, [head], { answers: 1 })
    expect(replies.map(outcome)).toEqual(['422 validation_failed'])
    expect(interim).toBe(0)
  })

  test('row 17: another expectation answers 417', async () => {
    const head = rawRequest(
      'POST /score',
      { 'Content-Type': 'application/json', 'Content-Length': '2', Expect: 'tea' },
      '{}',
    )
    expect((await exchange(app.url, [head])).replies.map(outcome)).toEqual(['417 expectation_failed'])
  })

  test('a refused request leaves its connection fit for the next one', async () => {
    const filler = 'x'.repeat(40_000)
    const refused: [string, string, string][] = [
      ['POST /nothing', 'application/json', '404 not_found'],
      ['POST /score?nonsense=1', 'text/csv', '422 validation_failed'],
      ['POST /score', 'multipart/form-data; boundary=b', '400 malformed_multipart'],
      ['PUT /train', 'text/csv', '405 method_not_allowed'],
    ]
    const next = rawRequest('GET /livez')
    for (const [line, type, expected] of refused) {
      const body = type.startsWith('multipart')
        ? `--b\r\nContent-Disposition: form-data; name="x"\r\n\r\n${filler}\r\n--b--\r\n`
        : filler
      const head = rawRequest(line, { 'Content-Type': type, 'Content-Length': String(body.length) }, body, {
        keep: true,
      })
      const { replies } = await exchange(app.url, [head, next])
      expect(replies.map(outcome)).toEqual([expected, '200'])
    }
  })

  test('a body where none belongs is not drained for ever', async () => {
    for (const line of ['GET /livez', 'GET /models', 'DELETE /models/none', 'POST /nothing']) {
      const { replies, sent } = await exchange(app.url, endless(rawHead(line, { 'Content-Type': 'text/csv' })))
      expect(replies).toHaveLength(1)
      expect(sent).toBeLessThan(16 * 1024 * 1024)
    }
  })
})

describe('T19: what a client writes about itself', () => {
  test('a request id of its own is kept apart, and only when it is harmless', async () => {
    const ids = ['abc-123', 'x'.repeat(64), 'x'.repeat(65), 'a b', '{"a":1}', 'a\tb', 'a\u2028b', '../../x']
    const lines = ids.map((id) => rawRequest('GET /models', { 'X-Request-Id': id, Connection: 'keep-alive' }))
    const { replies } = await exchange(app.url, [lines.join(''), rawRequest('GET /livez')])
    const logged = replies.slice(0, ids.length).map(({ headers }) => app.log.find(answeredAs(headers['x-request-id'])))
    expect(logged.map((line) => line?.['clientRequestId'])).toEqual([...ids.slice(0, 2), ...Array(6)])
    for (const reply of replies) expect(ids).not.toContain(reply.headers['x-request-id'])
  })

  test('names with line breaks, escapes and a length of their own are answered and logged as one line', async () => {
    for (const name of ['a\r\n{"level":"fatal"}', '\u001b[2Jx', 'a\u2028b', '\u202egnp', 'n'.repeat(20_000)]) {
      const rows = [
        { [name]: 1, cpu: 1 },
        { [name]: 2, cpu: 2 },
      ]
      expect(outcome(await app.post('/train', { model: name.slice(0, 100), rows }))).toBe('400 invalid_id')
      expect(outcome(await app.post('/score', { model: 'web', rows }))).toBe('422 missing_feature')
      expect(outcome(await app.post('/train', { model: 'named', rows, features: [name] }))).toMatch(
        /^(201|422 validation_failed)$/,
      )
    }
  })
})

const answeredAs = (requestId: unknown) => (line: Record<string, unknown>) =>
  line['requestId'] === requestId && line['msg'] === 'answered'

import { readdir } from 'node:fs/promises'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import { type HttpApp, outcome, serveApp, trainSmall } from './client.ts'
import { endless, exchange, rawHead, rawRequest } from './wire.ts'

let app: HttpApp
const row = { cpu: 0.1, latency: 12 }
const scored = JSON.stringify({ model: 'web', rows: [row] })

beforeAll(async () => {
  app = await serveApp({ DEEPWATCH_JSON_BYTES: '64KiB' })
  await trainSmall(app, 'web')
})

/** Sends one text and gives all final answers; the server must close. */
async function wire(text: string | Buffer): Promise<string[]> {
  return (await exchange(app.url, [text])).replies.map(outcome)
}

const scoreAs = (type: string, body = scored) => app.send('POST', '/score', { body, headers: { 'content-type': type } })

describe('a body is what its type says', () => {
  const refused: [number, string, string, string][] = [
    [1, 'text/html', scored, '415 unsupported_media_type'],
    [1, 'application/xml', scored, '415 unsupported_media_type'],
    [1, 'application/x-www-form-urlencoded', 'model=web', '415 unsupported_media_type'],
    [2, 'application/json\ta', scored, '415 unsupported_media_type'],
    [2, 'application/json garbage', scored, '415 unsupported_media_type'],
    [2, 'application/json;', scored, '200'],
    [2, 'application/json; charset=latin1', scored, '415 unsupported_media_type'],
    [2, 'application/json, application/json', scored, '415 unsupported_media_type'],
    [3, ' application/json', scored, '200'],
    [3, 'Application/JSON', scored, '200'],
    [3, 'application/json;charset=utf-8', scored, '200'],
    [3, 'application/json; charset="UTF-8"', scored, '200'],
    [3, 'Application/JSON;charset=utf-8', '{"model":"web","rows":[{"cpu":1}],"nonsense":1}', '422 validation_failed'],
    [4, 'application/json', '', '400 malformed_json'],
    [4, 'application/json', ' ', '400 malformed_json'],
  ]
  for (const [number, type, body, expected] of refused) {
    test(`row ${number}: ${JSON.stringify(type)} with ${body.length} bytes answers ${expected}`, async () => {
      expect(outcome(await scoreAs(type, body))).toBe(expected)
    })
  }

  test('row 1: an unknown type is refused before the body is taken', async () => {
    const { replies, sent } = await exchange(
      app.url,
      endless(rawHead('POST /score?model=web', { 'Content-Type': 'video/mp4' })),
    )
    expect(replies.map(outcome)).toEqual(['415 unsupported_media_type'])
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  })

  test('row 1: a body without a type is recognised by its content', async () => {
    const reply = await app.send('POST', '/score?model=web', { body: '{"cpu":0.1,"latency":12}\n' })
    expect(['200', '422 source_unreadable', '500 internal_error']).toContain(outcome(reply))
  })

  test('row 16: a body in an encoding we do not know is refused, a plain one is not', async () => {
    for (const encoding of ['br', 'deflate', 'gzip, identity', 'constructor', 'x']) {
      const reply = await app.send('POST', '/score', {
        json: { model: 'web', rows: [row] },
        headers: { 'content-encoding': encoding },
      })
      expect(outcome(reply)).toBe('415 unsupported_media_type')
    }
    const plain = await app.send('POST', '/score', {
      json: { model: 'web', rows: [row] },
      headers: { 'content-encoding': 'identity' },
    })
    expect(outcome(plain)).toBe('200')
  })
})

describe('a body has an end', () => {
  test('row 5: an announced length over the limit is refused unread and the connection is closed', async () => {
    const head = rawRequest('POST /score', { 'Content-Type': 'application/json', 'Content-Length': '99999999' }, '', {
      keep: true,
    })
    expect((await exchange(app.url, [head])).replies.map(outcome)).toEqual(['413 body_too_large'])
  })

  test('row 5: a chunked body over the limit is cut off', async () => {
    const { replies, sent } = await exchange(
      app.url,
      endless(rawHead('POST /score', { 'Content-Type': 'application/json' })),
    )
    expect(replies.map(outcome)).toEqual(['413 body_too_large'])
    expect(replies[0]!.headers['connection']).toBe('close')
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  })

  test('row 5: an ordinary client gets the 413 too, not a broken connection', async () => {
    const reply = await app.send('POST', '/score', { json: { model: 'web', rows: [{ cpu: 'x'.repeat(1_000_000) }] } })
    expect(outcome(reply)).toBe('413 body_too_large')
  })

  for (const [what, head] of [
    [
      'JSON',
      rawRequest('POST /score', { 'Content-Type': 'application/json', 'Content-Length': '1000' }, scored, {
        keep: true,
      }),
    ],
    [
      'CSV',
      rawRequest(
        'POST /score?model=web',
        { 'Content-Type': 'text/csv', 'Content-Length': '1000' },
        'cpu,latency\n1,2\n',
        { keep: true },
      ),
    ],
    ['chunked', `${rawHead('POST /score?model=web', { 'Content-Type': 'text/csv' })}5\r\ncpu,l\r\n`],
  ] as const) {
    test(`row 6: ${what} shorter than its length is not scored and leaves nothing behind`, async () => {
      const { replies } = await exchange(app.url, [head], { end: true })
      for (const reply of replies) expect(reply.status).toBe(400)
      await vi.waitUntil(async () => (await spooled(app)).length === 0, { interval: 5 })
    })
  }
})

describe('what is not HTTP is answered once and closed', () => {
  const body = '{"model":"web","rows":[]}'
  const hostile: [string, string | Buffer][] = [
    [
      '7: Content-Length and Transfer-Encoding',
      rawRequest(
        'POST /score',
        { 'Content-Type': 'application/json', 'Content-Length': '5', 'Transfer-Encoding': 'chunked' },
        '0\r\n\r\n',
      ),
    ],
    [
      '7: Transfer-Encoding and Content-Length',
      rawRequest('POST /score', { 'Transfer-Encoding': 'chunked', 'Content-Length': '5' }, '0\r\n\r\n'),
    ],
    ['7: two lengths', `POST /score HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n${body}`],
    [
      '7: two equal lengths',
      `POST /score HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n${body}`,
    ],
    ['7: a list of lengths', `POST /score HTTP/1.1\r\nHost: t\r\nContent-Length: 5, 5\r\n\r\n${body}`],
    ['7: a negative length', rawRequest('POST /score', { 'Content-Length': '-5' }, body)],
    ['7: a length with a sign', rawRequest('POST /score', { 'Content-Length': '+5' }, body)],
    ['7: a hexadecimal length', rawRequest('POST /score', { 'Content-Length': '0x5' }, body)],
    ['7: a length past 2^64', rawRequest('POST /score', { 'Content-Length': '18446744073709551621' }, body)],
    [
      '7: a bad chunk size',
      rawRequest(
        'POST /score',
        { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' },
        'zz\r\n{}\r\n0\r\n\r\n',
      ),
    ],
    [
      '7: a negative chunk size',
      rawRequest(
        'POST /score',
        { 'Content-Type': 'application/json', 'Transfer-Encoding': 'chunked' },
        '-1\r\n{}\r\n0\r\n\r\n',
      ),
    ],
    ['7: chunked, twice', rawRequest('POST /score', { 'Transfer-Encoding': 'chunked, chunked' }, '0\r\n\r\n')],
    ['7: an unknown transfer coding', rawRequest('POST /score', { 'Transfer-Encoding': 'xchunked' }, '0\r\n\r\n')],
    ['7: a bare line feed after the request line', 'GET /livez HTTP/1.1\nHost: t\n\n'],
    ['7: a bare line feed in the fields', 'GET /livez HTTP/1.1\r\nHost: t\nX: y\r\n\r\n'],
    ['7: a bare carriage return in a field', 'GET /livez HTTP/1.1\r\nHost: t\r\nX: a\rb\r\n\r\n'],
    ['7: space before the colon', 'GET /livez HTTP/1.1\r\nHost : t\r\n\r\n'],
    ['7: space before the first field', 'GET /livez HTTP/1.1\r\n Host: t\r\n\r\n'],
    ['7: NUL in a field', 'GET /livez HTTP/1.1\r\nHost: t\r\nX: a\0b\r\n\r\n'],
    ['8: no Host', 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n'],
    ['10: /%zz', rawRequest('GET /%zz')],
    ['10: /models/%', rawRequest('GET /models/%')],
    ['10: half a character', rawRequest('GET /models/%ff')],
    ['22: a TLS hello', Buffer.from('16030100c8010000c403030102030405060708090a0b0c0d0e0f', 'hex')],
    ['22: the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['22: a version from the future', 'GET /livez HTTP/9.9\r\nHost: t\r\n\r\n'],
    ['22: noise', 'hello\r\n\r\n'],
  ]
  for (const [title, bytes] of hostile) {
    test(`row ${title} answers 400 malformed_request`, async () => {
      expect(await wire(bytes)).toEqual(['400 malformed_request'])
    })
  }

  test('an address that climbs out of the documents answers 404', async () => {
    expect(await wire(rawRequest('GET /docs/static/../../package.json'))).toEqual(['404 not_found'])
  })

  test('row 8: HTTP/1.0 needs no Host and is closed after its answer', async () => {
    expect(await wire('GET /livez HTTP/1.0\r\n\r\n')).toEqual(['200'])
  })

  test('row 22: HTTP/0.9 is answered and closed', async () => {
    expect(await wire('GET /livez\r\n\r\n')).toEqual(['200'])
  })

  test('row 9: fields of 20 KB answer 431', async () => {
    expect(await wire(rawRequest('GET /livez', { 'X-Long': 'x'.repeat(20_000) }))).toEqual(['431 headers_too_large'])
  })

  test('row 9: 3,000 fields answer 431, none is dropped in silence', async () => {
    const fields = 'a:b\r\n'.repeat(3000)
    expect(await wire(`GET /livez HTTP/1.1\r\nHost: t\r\nConnection: close\r\n${fields}\r\n`)).toEqual([
      '431 headers_too_large',
    ])
  })

  test('the log names a request that could not be parsed by the id of its answer', async () => {
    const { replies } = await exchange(app.url, ['hello\r\n\r\n'])
    const { requestId } = replies[0]!.json<{ requestId: string }>()
    expect(app.log.filter((line) => line['requestId'] === requestId)).toMatchObject([{ code: 'malformed_request' }])
  })

  test('T28: folded fields and a second request behind an ambiguous length are never served', async () => {
    const smuggled = rawRequest('DELETE /models/web')
    const folded = 'GET /livez HTTP/1.1\r\nHost: t\r\nX: a\r\n b\r\nConnection: close\r\n\r\n'
    const attempts = [
      `POST /score HTTP/1.1\r\nHost: t\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      `POST /score HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n${smuggled}`,
      `POST /score HTTP/1.1\r\nHost: t\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
      `GET /livez HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    ]
    for (const attempt of attempts) expect(await wire(attempt)).toEqual(['400 malformed_request'])
    expect(['200', '400 malformed_request']).toContain((await wire(folded))[0])
    expect(outcome(await app.get('/models/web'))).toBe('200')
  })

  test('T28: forwarded addresses never get into a link', async () => {
    const reply = await app.send('POST', '/train', {
      json: { model: 'linked', rows: [{ a: 1 }, { a: 2 }] },
      headers: { 'x-forwarded-host': 'evil.example', 'x-forwarded-proto': 'https', forwarded: 'host=evil.example' },
    })
    expect(reply.headers['location']).toBe('/models/linked/versions/1')
    expect(JSON.stringify(reply.headers) + reply.text).not.toContain('evil')
  })
})

function spooled({ home }: HttpApp): Promise<string[]> {
  return readdir(`${home}/spool`)
}

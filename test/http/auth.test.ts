import { createHash } from 'node:crypto'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Scope } from '../../src/config.ts'
import { canary, type HttpApp, markedRows, outcome, serveApp, smallForest } from './client.ts'
import { endless, exchange, rawHead, rawRequest } from './wire.ts'

const tokens = {
  read: `${canary}-r`,
  score: `${canary}-s`,
  train: `${canary}-t`,
  admin: `${canary}-a`,
  all: `${canary}-all`,
}
const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const setting = [
  ...(['read', 'score', 'train', 'admin'] as const).map((scope) => `${scope}-only:${scope}:${sha256(tokens[scope])}`),
  `everything:read+score+train+admin:${sha256(tokens.all)}`,
].join(',')

let app: HttpApp
const bearer = (token: string) => ({ authorization: `Bearer ${token}` })

beforeAll(async () => {
  app = await serveApp({ DEEPWATCH_TOKENS: setting })
  const trained = await app.post(
    '/train',
    { model: 'web', rows: markedRows(), detector: smallForest },
    bearer(tokens.train),
  )
  expect(outcome(trained)).toBe('201')
})

/** Every route and the scope it asks for. A route that is not here fails the test. */
const expected: Readonly<Record<string, 'public' | Scope | readonly Scope[]>> = {
  'GET /': 'public',
  'GET /livez': 'public',
  'GET /readyz': 'public',
  'GET /metrics': 'read',
  'GET /openapi.json': 'read',
  'GET /openapi.yaml': 'read',
  'GET /docs': 'read',
  'GET /docs/': 'read',
  'GET /docs/json': 'read',
  'GET /docs/yaml': 'read',
  // Printed without the `static/` that it has.
  'GET /docs/*': 'read',
  'GET /docs/static/index.html': 'read',
  'GET /docs/static/swagger-initializer.js': 'read',
  'GET /models': 'read',
  'GET /models/:name': 'read',
  'GET /models/:name/versions/:version': 'read',
  'GET /models/:name/versions/:version/trees/:index': 'read',
  'GET /models/:name/versions/:version/report': 'read',
  'POST /train': 'train',
  'POST /score': 'score',
  'POST /evaluate': 'score',
  'POST /report': 'score',
  'GET /jobs': ['score', 'train', 'admin'],
  'GET /jobs/:id': ['score', 'train', 'admin'],
  'GET /jobs/:id/result': ['score', 'train', 'admin'],
  'GET /jobs/:id/events': ['score', 'train', 'admin'],
  'DELETE /jobs/:id': ['score', 'train', 'admin'],
  'PUT /models/:name/serving': 'admin',
  'DELETE /models/:name': 'admin',
  'DELETE /models/:name/versions/:version': 'admin',
}

/** The routes of the app as Fastify knows them: `GET /models/:name`, without HEAD. */
function routesOf({ app }: HttpApp): string[] {
  const routes: string[] = []
  const path: string[] = []
  for (const line of app.http.printRoutes({ commonPrefix: false, includeHooks: false }).split('\n')) {
    const [, indent = '', name = '', methods = ''] = /^([│├└─\s]*)(\S*) \(([A-Z, ]+)\)/.exec(line) ?? []
    const depth = indent.length / 4
    path.length = depth
    path[depth - 1] = name
    for (const method of methods.split(', '))
      if (method && method !== 'HEAD') routes.push(`${method} ${path.slice(0, depth).join('')}`)
  }
  return routes
}

describe('T21: every route asks for its scope', () => {
  test('and every route is in the table', () => {
    const routes = routesOf(app)
    expect(routes.length).toBeGreaterThan(15)
    expect(routes.sort()).toEqual(Object.keys(expected).sort())
  })

  const callers: [string, string | undefined][] = [
    ['no token', undefined],
    ['an empty token', 'Bearer '],
    ['an unknown token', 'Bearer unknown'],
    ['another scheme', `Basic ${Buffer.from(`x:${tokens.all}`).toString('base64')}`],
    ['the hash instead of the token', `Bearer ${sha256(tokens.all)}`],
    ['the token with a letter more', `Bearer ${tokens.all}x`],
    ['two tokens', `Bearer ${tokens.all}, Bearer ${tokens.all}`],
    ...(Object.keys(tokens) as (keyof typeof tokens)[]).map((name): [string, string] => [
      `the token ${name}`,
      `Bearer ${tokens[name]}`,
    ]),
  ]
  for (const [route, scope] of Object.entries(expected)) {
    test(`${route}: ${scope}`, async () => {
      const [method, url] = route.split(' ') as [string, string]
      const path = url
        .replace(':name', 'none')
        .replace(':version', '9')
        .replace(':index', '0')
        .replace(':id', '00000000-0000-4000-8000-000000000000')
        .replace('*', 'static/swagger-ui.css')
      for (const [who, authorization] of callers) {
        const reply = await app.send(method, path, { headers: authorization === undefined ? {} : { authorization } })
        const name = who.startsWith('the token ') ? who.slice(10) : null
        const wanted =
          scope === 'public' || (name !== null && (name === 'all' || [scope].flat().includes(name as Scope)))
            ? /^(200|302|404 \w+|422 validation_failed)$/
            : name !== null && name in tokens
              ? /^403 forbidden$/
              : /^401 unauthorized$/
        expect(outcome(reply), `${who} at ${route}`).toMatch(wanted)
      }
    })
  }

  test('row 20: a stranger learns nothing from addresses that do not exist', async () => {
    for (const [method, path] of [
      ['GET', '/nothing'],
      ['GET', '/models/web/secret'],
      ['PUT', '/score'],
      ['GET', '/docs/nothing'],
    ] as const) {
      expect(outcome(await app.send(method, path))).toBe('401 unauthorized')
      expect(outcome(await app.send(method, path, { headers: bearer(tokens.all) }))).toMatch(/^40[45] /)
    }
  })

  test('row 20: the scheme is read in any case, and the token to the letter', async () => {
    const read = async (authorization: string) => outcome(await app.get('/models', { authorization }))
    expect(await read(`bearer ${tokens.read}`)).toBe('200')
    expect(await read(`BEARER  ${tokens.read}`)).toBe('200')
    expect(await read(`Bearer ${tokens.read.toUpperCase()}`)).toBe('401 unauthorized')
    expect(await read(`Bearer${tokens.read}`)).toBe('401 unauthorized')
    expect(await read(tokens.read)).toBe('401 unauthorized')
    expect(outcome(await app.get(`/models?access_token=${tokens.read}`))).toBe('401 unauthorized')
  })

  test('T23: tokens of any length are compared without a word of why', async () => {
    const details = new Set<unknown>()
    for (const token of [
      '',
      'x',
      'x'.repeat(tokens.all.length),
      'x'.repeat(512),
      'x'.repeat(10_000),
      'ä',
      '\u0001',
      `${tokens.all}\t`,
    ]) {
      const { replies } = await exchange(app.url, [
        Buffer.from(rawRequest('GET /models', { Authorization: `Bearer ${token}` }), 'latin1'),
      ])
      expect(replies).toHaveLength(1)
      if (outcome(replies[0]!) === '400 malformed_request') continue
      if (outcome(replies[0]!) === '200') expect(token.trim()).toBe(tokens.all)
      else details.add(replies[0]!.json()['detail'])
    }
    expect([...details]).toEqual(['This needs a valid bearer token.'])
  })

  test('two Authorization fields are no way in', async () => {
    const twice = `GET /models HTTP/1.1\r\nHost: t\r\nConnection: close\r\nAuthorization: Bearer x\r\nAuthorization: Bearer ${tokens.all}\r\n\r\n`
    expect((await exchange(app.url, [twice])).replies.map(outcome)).toEqual(['401 unauthorized'])
  })
})

describe('a stranger cannot make the service read', () => {
  const head = { 'Content-Type': 'text/csv', 'Content-Length': '1000000', Expect: '100-continue' }

  test('row 17: Expect 100-continue with a bad token answers 401 and asks for nothing', async () => {
    for (const authorization of ['Bearer wrong', `Bearer ${tokens.read}`]) {
      const text = rawRequest('POST /score?model=web', { ...head, Authorization: authorization }, '', { keep: true })
      const { replies, interim } = await exchange(app.url, [text], { answers: 1 })
      expect(replies.map((reply) => reply.status)).toEqual([authorization.includes('wrong') ? 401 : 403])
      expect(interim).toBe(0)
    }
  })

  test('and with a good one the body is asked for', async () => {
    const text = rawRequest(
      'POST /score?model=web',
      { ...head, 'Content-Length': '27', Authorization: `Bearer ${tokens.score}` },
      '',
      { keep: true },
    )
    const { replies, interim } = await exchange(app.url, [text, 'cpu,latency\n0.1,12\n0.2,13\n0'], { answers: 1 })
    expect(interim).toBe(1)
    expect(replies).toHaveLength(1)
  })

  test('an endless body without a token is cut off', async () => {
    const { replies, sent } = await exchange(
      app.url,
      endless(rawHead('POST /train?model=web', { 'Content-Type': 'text/csv' })),
    )
    expect(replies.map(outcome)).toEqual(['401 unauthorized'])
    expect(sent).toBeLessThan(16 * 1024 * 1024)
  })
})

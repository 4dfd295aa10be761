import { beforeAll, describe, expect, test } from 'vitest'
import { type HttpApp, outcome, serveApp, trainSmall } from './client.ts'
import { exchange, rawRequest } from './wire.ts'

let app: HttpApp

beforeAll(async () => {
  app = await serveApp()
  await trainSmall(app, 'web')
})

describe('addresses', () => {
  const names: [number, string, string][] = [
    [11, '/models/%2e%2e%2f', '400 invalid_id'],
    [11, '/models/..%2fmodels', '400 invalid_id'],
    [11, '/models/a%00b', '400 invalid_id'],
    [11, '/models/..', '400 invalid_id'],
    [11, '/models/.', '400 invalid_id'],
    [11, '/models/%2Fetc%2Fpasswd', '400 invalid_id'],
    [11, '/models/web/versions/%2e%2e', '400 invalid_id'],
    [11, '/models/web/versions/-1', '400 invalid_id'],
    [11, '/models/web/versions/0', '400 invalid_id'],
    [11, '/models/web/versions/1e0', '400 invalid_id'],
    [11, '/models/web/versions/01', '400 invalid_id'],
    [11, '/models/web/versions/99999999999999999999', '400 invalid_id'],
    [11, '/models/web/versions/1/trees/x', '400 invalid_id'],
    [12, `/models/${'a'.repeat(300)}`, '414 uri_too_long'],
    [12, `/models/${'a'.repeat(9000)}`, '414 uri_too_long'],
    [12, `/models/web/versions/${'1'.repeat(300)}`, '414 uri_too_long'],
    [13, '/', '200'],
    [13, '/nothing', '404 not_found'],
    [13, '/models/', '400 invalid_id'],
    [13, '/models/web/', '404 not_found'],
    [13, '//models', '404 not_found'],
    [13, '/MODELS', '404 not_found'],
    [13, '/models/web/versions', '404 not_found'],
    [48, '/models/CON', '400 invalid_id'],
    [48, '/models/Web', '400 invalid_id'],
    [48, '/models/%F0%9F%98%80', '400 invalid_id'],
    [48, `/models/${'a'.repeat(64)}`, '400 invalid_id'],
    [48, `/models/${'a'.repeat(63)}`, '404 model_not_found'],
    [48, '/models/con', '404 model_not_found'],
  ]
  for (const [number, path, expected] of names) {
    test(`row ${number}: ${path.slice(0, 40)} answers ${expected}`, async () => {
      const { replies } = await exchange(app.url, [rawRequest(`GET ${path}`)])
      expect(replies.map(outcome)).toEqual([expected])
    })
  }

  const methods: [string, string, string][] = [
    ['GET', '/train', 'POST'],
    ['PUT', '/score', 'POST'],
    ['DELETE', '/models', 'GET, HEAD'],
    ['POST', '/models/web', 'GET, HEAD, DELETE'],
    ['PATCH', '/models/web/serving', 'PUT'],
    ['OPTIONS', '/models/web/versions/1', 'GET, HEAD, DELETE'],
    ['TRACE', '/score', 'POST'],
    ['PROPFIND', '/models', 'GET, HEAD'],
    ['POST', '/livez', 'GET, HEAD'],
    ['POST', '/openapi.yaml', 'GET, HEAD'],
    ['TRACE', '/models/web', 'GET, HEAD, DELETE'],
  ]
  for (const [method, path, allow] of methods) {
    test(`row 14: ${method} ${path} answers 405 and what is allowed`, async () => {
      const { replies } = await exchange(app.url, [rawRequest(`${method} ${path}`, { 'Content-Length': '0' })])
      expect(replies.map(outcome)).toEqual(['405 method_not_allowed'])
      expect(replies[0]!.headers['allow']).toBe(allow)
    })
  }

  test('row 14: a cross-origin preflight and CONNECT get nowhere', async () => {
    const preflight = await app.send('OPTIONS', '/train', {
      headers: { origin: 'https://evil.example', 'access-control-request-method': 'POST' },
    })
    expect(outcome(preflight)).toBe('405 method_not_allowed')
    expect(preflight.headers).not.toHaveProperty('access-control-allow-origin')
    const { replies } = await exchange(app.url, [rawRequest('CONNECT example.com:443')])
    expect(replies.filter((reply) => reply.status < 400)).toEqual([])
  })

  const queries: [number, string, string][] = [
    [18, '/models?nonsense=1', '422 validation_failed'],
    [18, '/models?limit=1&limit=2', '400 duplicate_key'],
    [18, '/models?limit=1&limit=1', '400 duplicate_key'],
    [18, '/models/web?x=', '422 validation_failed'],
    [18, '/models/web/versions/1?verbose', '422 validation_failed'],
    [18, '/metrics?name=x', '422 validation_failed'],
    [18, '/openapi.json?x=1', '422 validation_failed'],
    [18, '/models?__proto__=1', '422 validation_failed'],
    [18, '/models?constructor=1', '422 validation_failed'],
    [19, '/models?limit=-1', '422 validation_failed'],
    [19, '/models?limit=1e9', '422 validation_failed'],
    [19, '/models?limit=NaN', '422 validation_failed'],
    [19, '/models?limit=0x10', '422 validation_failed'],
    [19, '/models?limit=', '422 validation_failed'],
    [19, '/models?limit=%201', '422 validation_failed'],
    [19, '/models?limit=0', '422 validation_failed'],
    [19, '/models?limit=1', '200'],
  ]
  for (const [number, path, expected] of queries) {
    test(`row ${number}: GET ${path} answers ${expected}`, async () => {
      expect(outcome(await app.get(path))).toBe(expected)
    })
  }

  test('row 23: a range gets the whole thing', async () => {
    const reply = await app.get('/openapi.json', { range: 'bytes=0-9' })
    expect(outcome(reply)).toBe('200')
    expect(reply.json()).toHaveProperty('openapi')
  })
})

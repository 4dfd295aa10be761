import { Validator } from '@seriousme/openapi-schema-validator'
import Fastify from 'fastify'
import { beforeAll, describe, expect, test } from 'vitest'
import type { z } from 'zod'
import { routes } from '../../routes/index.ts'
import { type ErrorCode, errorTable } from '../../src/errors.ts'
import type { Content, Operation } from '../../src/http/operation.ts'
import { problem } from '../../src/schemas/problem.ts'
import { type HttpApp, markedRows, outcome, serveApp, smallForest, writeOut } from './client.ts'

interface Described {
  readonly operationId: string
  readonly summary: string
  readonly parameters: readonly { name: string; in: string; schema?: object; content?: object; example?: unknown }[]
  readonly requestBody?: { content: Record<string, Shown> }
  readonly responses: Readonly<Record<string, { description: string; content?: Record<string, Shown> }>>
}
interface Shown {
  readonly schema?: unknown
  readonly example?: unknown
}
interface Document {
  readonly openapi: string
  readonly paths: Record<string, Record<string, Described>>
  readonly components: Record<'parameters' | 'responses', Record<string, object>>
}

let app: HttpApp
let document: Document
/** What the document says, by `POST /train`. */
let described: [string, Described][]
/** What the routes say of themselves, by `POST /train`. */
const declared = new Map<string, Operation>()

beforeAll(async () => {
  app = await serveApp()
  document = (await app.get('/openapi.json')).json<Document>()
  described = Object.entries(writeOut(document).paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]): [string, Described] => [
      `${method.toUpperCase()} ${path}`,
      operation,
    ]),
  )
  // The routes alone, without the service behind them: they are asked what they declare, not called.
  const bare = Fastify()
  bare.addHook('onRoute', ({ method, url, config }) => {
    if (config?.operation && method !== 'HEAD')
      declared.set(`${String(method)} ${url.replace(/:(\w+)/g, '{$1}')}`, config.operation)
  })
  for (const route of routes) bare.route(route)
})

describe('openapi', () => {
  test('is valid OpenAPI 3.1, the same as JSON and as YAML', async () => {
    const result = await new Validator().validate(structuredClone(document) as never)
    expect(result.errors).toBeUndefined()
    expect([result.valid, document.openapi]).toEqual([true, '3.1.0'])
    const yaml = await app.get('/openapi.yaml')
    expect(yaml.headers['content-type']).toMatch(/^application\/yaml/)
    const parsed = await new Validator().validate(yaml.text)
    expect([parsed.valid, parsed.errors]).toEqual([true, undefined])
  })

  test('says once what several operations share', () => {
    const text = JSON.stringify(document)
    const { parameters, responses } = document.components
    for (const [kind, parts] of Object.entries({ parameters, responses }))
      for (const name of Object.keys(parts)) expect(text, name).toContain(`"#/components/${kind}/${name}"`)
    expect(new Set(Object.values(responses).map((each) => JSON.stringify(each))).size).toBe(
      Object.keys(responses).length,
    )
    expect(document.paths['/models']!['get']!.responses['401']).toEqual({ $ref: '#/components/responses/unauthorized' })
  })

  test('has every route of the service and no other', () => {
    const routes = app.app.http
    expect(described.map(([name]) => name).sort()).toEqual([...declared.keys()].sort())
    expect(described.length).toBeGreaterThan(12)
    for (const [name] of described) {
      const [method, path] = name.split(' ') as [string, string]
      expect(routes.hasRoute({ method: method as 'GET', url: path.replace(/\{(\w+)\}/g, ':$1') }), name).toBe(true)
    }
  })

  test('gives every operation an id of its own, an example and its problems', () => {
    const ids = described.map(([, { operationId }]) => operationId)
    expect(new Set(ids).size).toBe(ids.length)
    for (const [name, { summary, requestBody, responses, parameters }] of described) {
      expect(summary, name).not.toBe('')
      const good = Object.entries(responses).filter(([status]) => status < '400')
      expect(good, name).not.toHaveLength(0)
      for (const [status, { content }] of good) {
        if (status === '204' || status === '302') expect(content, name).toBeUndefined()
        else
          expect(
            Object.values(content ?? {}).some(({ example }) => example !== undefined),
            name,
          ).toBe(true)
      }
      if (requestBody) expect(requestBody.content['application/json']?.example, name).toBeDefined()
      for (const parameter of parameters) {
        expect(parameter.schema ?? parameter.content, `${name} ${parameter.name}`).toBeDefined()
        if (parameter.in === 'path') expect(parameter.example, `${name} ${parameter.name}`).toBeDefined()
      }
      const bad = Object.entries(responses).filter(([status]) => status >= '400')
      expect(bad.length, name).toBeGreaterThan(0)
      for (const [status, { content }] of bad) {
        const { example } = content!['application/problem+json']!
        const { code } = problem.parse(example)
        expect(errorTable[code as ErrorCode]).toMatchObject({ status: Number(status) })
      }
    }
  })

  test('has examples that fit their own schemas', () => {
    let checked = 0
    const check = (where: string, content: Readonly<Record<string, Content>> | undefined) => {
      for (const [type, { schema, example }] of Object.entries(content ?? {})) {
        if (!schema || example === undefined) continue
        const parsed = schema.safeParse(example)
        expect(parsed.success ? [] : parsed.error.issues, `${where} ${type}`).toEqual([])
        checked++
      }
    }
    for (const [name, { body, answers }] of declared) {
      check(`${name} body`, body)
      for (const [status, { content }] of Object.entries(answers)) check(`${name} ${status}`, content)
    }
    expect(checked).toBeGreaterThan(10)
  })

  test('is what the service answers: nothing less, nothing more', async () => {
    const rows = markedRows().map((row, index) => ({
      ...row,
      at: new Date(Date.UTC(2026, 0, 1) + index * 3_600_000).toISOString(),
    }))
    const answers: [string, unknown][] = []
    const call = async (name: string, path: string, json?: unknown) => {
      const reply = await app.send(name.split(' ')[0]!, path, json === undefined ? {} : { json })
      expect(outcome(reply)).toMatch(/^20\d$/)
      answers.push([name, reply.json()])
    }
    const window = { from: '2026-01-01T00:00:00Z' }
    await call('POST /train', '/train', {
      model: 'web',
      rows,
      detector: smallForest,
      missing: 'median',
      window,
      timeZone: 'Europe/Berlin',
    })
    await call('POST /score', '/score', { model: 'web', rows: [...rows, { ...rows[0], cpu: null }], include: ['host'] })
    await call('GET /models', '/models')
    await call('GET /models/{name}', '/models/web')
    await call('GET /models/{name}/versions/{version}', '/models/web/versions/1')
    await call('GET /models/{name}/versions/{version}/trees/{index}', '/models/web/versions/1/trees/0')
    await call('PUT /models/{name}/serving', '/models/web/serving', { version: 1 })
    await call('GET /readyz', '/readyz')
    await call('GET /livez', '/livez')
    for (const [name, answer] of answers) {
      const { answers: declaredAnswers } = declared.get(name)!
      const { content } = declaredAnswers[200] ?? declaredAnswers[201]!
      expect((content!['application/json']!.schema as z.ZodType).parse(answer), name).toEqual(answer)
    }
  })
})

describe('/docs', () => {
  test('shows the document with nothing from elsewhere', async () => {
    const page = await app.get('/docs/')
    expect(page.headers['content-type']).toMatch(/^text\/html/)
    const policy = page.headers['content-security-policy'] ?? ''
    expect(policy).toMatch(/^default-src 'none'/)
    expect(policy).not.toMatch(/https?:|\*|unsafe|[\w-]+\.[a-z]{2,}/)
    const links = [...page.text.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, link]) => link!)
    expect(links.length).toBeGreaterThan(4)
    for (const link of links) {
      const asset = new URL(link, `${app.url}/docs/`)
      expect(asset.origin).toBe(app.url)
      expect(outcome(await app.get(asset.pathname)), link).toBe('200')
    }
    // Scripts stand in files: the policy allows no other.
    expect(page.text).not.toMatch(/<script[^>]*>\s*[^<\s]|\son\w+=|style=/)
  })

  test('asks no validator and reads the document of this service', async () => {
    const { text } = await app.get('/docs/static/swagger-initializer.js')
    expect(text).toMatch(/validatorUrl:\s*null/)
    expect(text).toMatch(/url: resolveUrl\('\.\/json'\)/)
    expect((await app.get('/docs/json')).json()).toEqual(document)
  })

  test('without the slash it leads to the same', async () => {
    const page = await app.get('/docs')
    const links = [...page.text.matchAll(/src="([^"]*)"/g)].map(
      ([, link]) => new URL(link!, `${app.url}/docs`).pathname,
    )
    for (const link of links) expect(outcome(await app.get(link)), link).toBe('200')
  })
})

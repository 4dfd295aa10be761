/** How the HTTP tests talk to the real app: every answer is inspected on its way, and every log line at the end. */
import { Agent, request } from 'undici'
import { expect } from 'vitest'
import { type ErrorCode, errorTable } from '../../src/errors.ts'
import { startApp, type TestApp } from '../app.ts'
import { atTheEnd } from '../endings.ts'

export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly bytes: Buffer
  readonly text: string
  /** The body as JSON; throws when it is none. */
  json<T = Record<string, unknown>>(): T
}

export interface SendOptions {
  /** Sent as JSON text with its type. */
  readonly json?: unknown
  readonly body?: string | Buffer | AsyncIterable<Uint8Array>
  readonly headers?: Readonly<Record<string, string>>
}

export interface HttpApp extends TestApp {
  send(method: string, path: string, options?: SendOptions): Promise<Reply>
  get(path: string, headers?: Readonly<Record<string, string>>): Promise<Reply>
  post(path: string, json: unknown, headers?: Readonly<Record<string, string>>): Promise<Reply>
}

/** In row values and tokens of these tests; must never be in a log line. */
export const canary = 'canary-5e1f'
const canaryNumber = 8675309.25

const agent = new Agent({ connections: 16, keepAliveTimeout: 1000 })
atTheEnd(() => agent.destroy())

/** Starts the service and, when the file ends, inspects everything it logged. */
export async function serveApp(settings: Readonly<Record<string, string>> = {}): Promise<HttpApp> {
  let log: Record<string, unknown>[] = []
  // Begun first, it ends last: the log is inspected after the service has stopped.
  atTheEnd(async () => inspectLog(log))
  const started = await startApp(settings)
  log = started.log
  const isDocumented = documentedBy(started.app.http.swagger() as unknown as Documented)
  const send = async (method: string, path: string, options: SendOptions = {}) => {
    const reply = await sendTo(started.url, method, path, options)
    isDocumented(method, path, reply)
    return reply
  }
  return {
    ...started,
    send,
    get: (path, headers = {}) => send('GET', path, { headers }),
    post: (path, json, headers = {}) => send('POST', path, { json, headers }),
  }
}

/** One request over a kept connection; its answer is inspected. */
export async function sendTo(url: string, method: string, path: string, options: SendOptions = {}): Promise<Reply> {
  const isJson = options.json !== undefined
  const answer = await request(url + path, {
    dispatcher: agent,
    method: method as 'GET',
    headers: { ...(isJson ? { 'content-type': 'application/json' } : {}), ...options.headers },
    body: (isJson ? JSON.stringify(options.json) : (options.body ?? null)) as string | null,
  })
  const bytes = Buffer.from(await answer.body.arrayBuffer())
  const headers = Object.fromEntries(Object.entries(answer.headers).map(([name, value]) => [name, String(value)]))
  return inspect(makeReply(answer.statusCode, headers, bytes))
}

export function makeReply(status: number, headers: Readonly<Record<string, string>>, bytes: Buffer): Reply {
  const text = bytes.toString('utf8')
  return { status, headers, bytes, text, json: <T>() => JSON.parse(text) as T }
}

/** What no answer and no log line may show: folders of the machine, stacks, SQL, words of the libraries. */
const leaks =
  /\/tmp\/|\/home\/|\/usr\/|node_modules|file:\/\/|\bat (async )?[\w.<>]+ \(|\.[jt]s:\d+|DuckDB|FST_ERR|ZodError|SELECT |ENOENT|EACCES|errno/

const folders = /\/tmp\/|\/home\/|\/usr\//

/** Holds for every answer there is; problems are checked member by member. */
export function inspect(reply: Reply, hasOwnId = true): Reply {
  const { status, headers } = reply
  if (hasOwnId) {
    expect(headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    expect(headers['x-content-type-options']).toBe('nosniff')
  }
  if (status < 400) return reply
  if (reply.bytes.length === 0 && headers['content-length'] !== undefined) return reply
  expect(headers['content-type']).toBe('application/problem+json')
  const problem = reply.json()
  const { code } = problem
  expect(code).toBeTypeOf('string')
  const row = errorTable[code as ErrorCode]
  expect(row, `${String(code)} is in the table`).toBeDefined()
  expect(problem).toMatchObject({ type: `urn:deepwatch:problem:${String(code)}`, title: row.title, status })
  expect(row.status).toBe(status)
  expect(problem['detail']).toMatch(/^\S[^\r\n]{3,600}\.$/)
  expect(problem['requestId']).toMatch(/^[0-9a-f-]{36}$/)
  if (hasOwnId) expect(problem['requestId']).toBe(headers['x-request-id'])
  expect(reply.text).not.toMatch(leaks)
  if ('retryAfterSeconds' in row) expect(headers['retry-after']).toBe(String(row.retryAfterSeconds))
  if (status === 401) expect(headers['www-authenticate']).toMatch(/^Bearer/)
  if (status === 405) expect(headers['allow']).toMatch(/^[A-Z, ]+$/)
  return reply
}

interface Documented {
  readonly paths: Readonly<
    Record<string, Readonly<Record<string, { readonly responses: Readonly<Record<string, unknown>> }>>>
  >
}

/** The document with what its references name written out in their place. */
export function writeOut<T>(document: T): T {
  const find = (pointer: string) =>
    pointer
      .slice(2)
      .split('/')
      .reduce((node: unknown, key) => (node as Record<string, unknown>)[key], document)
  const walk = (node: unknown): unknown => {
    if (typeof node !== 'object' || node === null) return node
    if (Array.isArray(node)) return node.map(walk)
    const { $ref, ...own } = node as Record<string, unknown>
    if (typeof $ref !== 'string')
      return Object.fromEntries(Object.entries(own).map(([key, value]) => [key, walk(value)]))
    const found = find($ref)
    expect(found, $ref).toBeTypeOf('object')
    return { ...(walk(found) as object), ...own }
  }
  return walk(document) as T
}

/** Whoever sends a request through `serveApp` also checks that the document knows the status and the code of its answer. */
function documentedBy(document: Documented): (method: string, path: string, reply: Reply) => void {
  const { paths } = writeOut(document)
  const operations = Object.entries(paths).map(([template, methods]) => ({
    template,
    pattern: new RegExp(`^${template.replaceAll('.', '\\.').replace(/\{\w+\}/g, '[^/]*')}$`),
    methods,
  }))
  return (method, path, reply) => {
    const found = operations.find(({ pattern }) => pattern.test(path.split('?', 1)[0]!))
    const operation = found?.methods[method.toLowerCase()]
    if (!found || !operation) return
    const name = `${method} ${found.template} ${outcome(reply)}`
    const response = operation.responses[String(reply.status)]
    expect(response, `${name} is documented`).toBeDefined()
    if (reply.status >= 400 && reply.bytes.length > 0)
      expect(JSON.stringify(response), `${name} is documented`).toContain(`"${String(reply.json()['code'])}"`)
  }
}

/** Lines about the process; all others are about a request and must name it. */
const processLines = /^(Server listening|ready|stopping|stopped|a reading process|stored (models|jobs) cannot be used)/

/** Holds for every log line: it belongs to a request or to the process, and shows no row, no token, no folder. */
export function inspectLog(lines: readonly Record<string, unknown>[]): void {
  expect(lines.length).toBeGreaterThan(0)
  expect(lines.map((line) => whatIsWrong(line, JSON.stringify(line))).filter((wrong) => wrong !== null)).toEqual([])
}

function whatIsWrong(line: Record<string, unknown>, text: string): string | null {
  const isNamed = /^[0-9a-f-]{36}$/.test(String(line['requestId']))
  if (!isNamed && !processLines.test(String(line['msg']))) return `belongs to nobody: ${text}`
  if (text.includes(canary) || text.includes(String(canaryNumber))) return `tells a secret: ${text}`
  // A failure of ours is logged with its stack; not even that shows a folder of the machine.
  return (line['level'] === 'error' ? folders : leaks).test(text) ? `shows our insides: ${text}` : null
}

/** The status and code of a problem, or the status alone: what the tables compare. */
export function outcome(reply: Reply): string {
  return reply.status < 400 || reply.bytes.length === 0
    ? String(reply.status)
    : `${reply.status} ${String(reply.json()['code'])}`
}

/** Rows with a text column and a number that are recognised in a log. */
export function markedRows(count = 64): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, index) => ({
    host: canary,
    cpu: Math.sin(index * 12.9898),
    latency: index === count - 1 ? canaryNumber : 12 + Math.cos(index * 78.233),
  }))
}

/** A small forest: most tests need a model, not a good one. */
export const smallForest = { type: 'isolation-forest', trees: 10, sampleSize: 32, seed: 7 }

/** Trains a small model and returns its version document. */
export async function trainSmall(app: HttpApp, model: string, more: object = {}): Promise<Record<string, unknown>> {
  const reply = await app.post('/train', { model, rows: markedRows(), detector: smallForest, ...more })
  expect(outcome(reply)).toBe('201')
  return reply.json()
}

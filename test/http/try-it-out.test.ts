/** What the pages below `/docs` send when nothing is changed: the shown example of every operation, on a fresh service. */
import { beforeAll, expect, test } from 'vitest'
import { type HttpApp, outcome, type Reply, serveApp, writeOut } from './client.ts'

interface Operation {
  readonly parameters: readonly { name: string; in: string; example?: string; schema: { type?: string } }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly example?: unknown }>> }
  readonly responses: Readonly<Record<string, { readonly content?: Readonly<Record<string, unknown>> }>>
}

let app: HttpApp
let paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>

beforeAll(async () => {
  app = await serveApp()
  paths = writeOut((await app.get('/openapi.json')).json<{ paths: typeof paths }>()).paths
})

/** A training first, what removes things last; jobs need one to look at. */
const order = [
  'POST /train',
  'POST /score',
  'POST /evaluate',
  'POST /report',
  'GET /',
  'GET /livez',
  'GET /readyz',
  'GET /metrics',
  'GET /openapi.json',
  'GET /openapi.yaml',
  'GET /models',
  'GET /models/{name}',
  'GET /models/{name}/versions/{version}',
  'GET /models/{name}/versions/{version}/report',
  'GET /models/{name}/versions/{version}/trees/{index}',
  'PUT /models/{name}/serving',
  'GET /jobs',
  'GET /jobs/{id}',
  'GET /jobs/{id}/events',
  'GET /jobs/{id}/result',
  'DELETE /jobs/{id}',
  'DELETE /models/{name}/versions/{version}',
]

async function send(name: string, type: string, job: string, query = ''): Promise<Reply> {
  const [method = '', path = ''] = name.split(' ')
  const { parameters, requestBody, responses } = paths[path]![method.toLowerCase()]!
  const address = path.replace(/\{(\w+)\}/g, (_, part: string) =>
    part === 'id' ? job : parameters.find((each) => each.in === 'path' && each.name === part)!.example!,
  )
  // Of parameters the pages send examples, and objects that they make up: there may be none but in the address.
  for (const each of parameters.filter((each) => each.in !== 'path'))
    expect([each.name, each.example, each.schema.type]).not.toContain('object')
  expect(parameters.filter((each) => each.in !== 'path' && each.example !== undefined)).toEqual([])
  const accept = Object.keys(Object.entries(responses).find(([status]) => status < '300')![1].content ?? { '*/*': {} })
  const headers = { accept: accept[0]! }
  if (!requestBody) return app.send(method, address, { headers })
  const { example } = requestBody.content[type]!
  const body = typeof example === 'string' ? example : JSON.stringify(example)
  return app.send(method, address + query, { body, headers: { ...headers, 'content-type': type } })
}

test('every operation does what it promises when its example is sent', async () => {
  let job = ''
  for (const name of order) {
    const reply = await send(name, 'application/json', job)
    expect(outcome(reply), name).toMatch(/^20[014]$/)
    if (name !== 'PUT /models/{name}/serving') continue
    const { example } = paths['/score']!['post']!.requestBody!.content['application/json']!
    job = (await app.post('/score', example, { prefer: 'respond-async' })).json<{ id: string }>().id
    await app.get(`/jobs/${job}/events`)
  }
  await send('POST /train', 'application/json', '')
  expect(outcome(await send('DELETE /models/{name}', '', '')), 'DELETE').toBe('204')
  const all = Object.entries(paths).flatMap(([path, each]) =>
    Object.keys(each).map((method) => `${method.toUpperCase()} ${path}`),
  )
  expect([...order, 'DELETE /models/{name}'].sort()).toEqual(all.sort())
})

test.each(['text/csv', 'application/x-ndjson'])('and so do the examples of %s, when a model is named', async (type) => {
  for (const name of ['POST /train', 'POST /score', 'POST /evaluate', 'POST /report'])
    expect(outcome(await send(name, type, '', '?model=web&label=label')), name).toMatch(/^20[01]$/)
})

/** Prints the OpenAPI 3.1 document from what the routes say of themselves. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { type ErrorCode, errorTable } from '../errors.ts'
import { exampleJob, problem } from '../schemas/index.ts'
import type { Answer, Content, Operation } from './operation.ts'
import { problemMediaType } from './problem.ts'

type Json = Record<string, unknown>

/** What can go wrong on every route, and on those that are not public. */
const everywhere: readonly ErrorCode[] = [
  'malformed_request',
  'expectation_failed',
  'headers_too_large',
  'internal_error',
]
const guarded: readonly ErrorCode[] = [
  'duplicate_key',
  'unauthorized',
  'forbidden',
  'not_acceptable',
  'validation_failed',
  'starting',
]

interface Collected {
  readonly method: string
  readonly url: string
  readonly operation: Operation
  readonly secured: boolean
}

/**
 * Collects the operations of all routes registered after this call; call the result when the app is
 * ready. A route without an operation that is not hidden on purpose is an error: nothing is undocumented.
 */
export function collectOperations(app: FastifyInstance, version: string): () => Json {
  const collected: Collected[] = []
  const undocumented: string[] = []
  app.addHook('onRoute', ({ method, url, config }) => {
    for (const name of [method].flat()) {
      if (name === 'HEAD') continue
      if (config?.operation)
        collected.push({
          method: name.toLowerCase(),
          url,
          operation: config.operation,
          secured: config.scope !== 'public',
        })
      else if (!url.startsWith('/docs')) undocumented.push(`${name} ${url}`)
    }
  })
  return () => {
    if (undocumented.length > 0) throw new Error(`routes without an operation: ${undocumented.join(', ')}`)
    return buildDocument(collected, version)
  }
}

function buildDocument(collected: readonly Collected[], version: string): Json {
  const paths: Record<string, Json> = {}
  const schemas: Json = { Problem: toJsonSchema(problem) }
  for (const { method, url, operation, secured } of collected) {
    const path = url.replace(/:(\w+)/g, '{$1}')
    paths[path] ??= {}
    paths[path][method] = describe(operation, url, secured, schemas)
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'DeepWatch',
      version,
      summary: 'Anomaly detection for infrastructure telemetry.',
      description:
        'Telemetry in, isolation forests trained, anomalies out. Every score is in [0, 1] and higher is stranger. On every POST a setting may stand in the query, in the JSON body or in the multipart part `config`; the same key with different values is refused, and so is an unknown key. Errors are problem documents (RFC 9457) with a `code` from a closed list.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }],
    tags: [
      { name: 'telemetry', description: 'Train and score.' },
      { name: 'jobs', description: 'Work that goes on without its request: follow it, take its result, cancel it.' },
      { name: 'models', description: 'Look at models, choose which version serves, delete.' },
      { name: 'service', description: 'Health, metrics, this document.' },
    ],
    paths,
    components: {
      schemas,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'Only where the service was started with tokens.' },
      },
    },
  }
}

function describe(operation: Operation, url: string, secured: boolean, schemas: Json): Json {
  const parameters = [...url.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
    example: pathExamples[name!] ?? name,
  }))
  return {
    operationId: operation.id,
    summary: operation.summary,
    ...(operation.description ? { description: operation.description } : {}),
    tags: [operation.tag],
    ...(secured ? { security: [{}, { bearer: [] }] } : { security: [] }),
    parameters: [...parameters, ...queryParameters(operation.query), ...headerParameters(operation.headers)],
    ...(operation.body ? { requestBody: { required: false, content: contents(operation.body, schemas) } } : {}),
    responses: {
      ...Object.fromEntries(
        Object.entries(operation.answers).map(([status, answer]) => [status, describeAnswer(answer, schemas)]),
      ),
      ...problems([...operation.errors, ...everywhere, ...(secured ? guarded : [])]),
    },
  }
}

const pathExamples: Readonly<Record<string, string>> = { name: 'web', version: '3', index: '0', id: exampleJob.id }

function headerParameters(headers: Operation['headers'] = {}): Json[] {
  return Object.entries(headers).map(([name, { description, example }]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
    example,
  }))
}

function queryParameters(query: z.ZodObject | undefined): Json[] {
  if (!query) return []
  const { properties = {} } = toJsonSchema(query) as { properties?: Record<string, Json> }
  return Object.entries(properties).map(([name, { description, ...schema }]) => {
    const scalar = typeof schema['type'] === 'string' && !['object', 'array'].includes(schema['type'])
    const place = scalar || schema['enum'] ? { schema } : { content: { 'application/json': { schema } } }
    // Whatever stands in the query may stand in the body instead, so nothing is required here.
    return { name, in: 'query', required: false, ...(description ? { description } : {}), ...place }
  })
}

function contents(body: Readonly<Record<string, Content>>, schemas: Json): Json {
  return Object.fromEntries(
    Object.entries(body).map(([mediaType, { schema, example }]) => [
      mediaType,
      { ...(schema ? { schema: reference(schema, schemas) } : {}), ...(example === undefined ? {} : { example }) },
    ]),
  )
}

function describeAnswer({ description, content, headers }: Answer, schemas: Json): Json {
  return {
    description,
    ...(headers
      ? {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: 'string' } }]),
          ),
        }
      : {}),
    ...(content ? { content: contents(content, schemas) } : {}),
  }
}

/** The codes of an operation by status: one response per status, its codes as an enum, the first as the example. */
function problems(errors: readonly ErrorCode[]): Json {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set(errors)) {
    const { status } = errorTable[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].sort(([a], [b]) => a - b).map(([status, codes]) => [String(status), problemResponse(status, codes)]),
  )
}

function problemResponse(status: number, codes: readonly ErrorCode[]): Json {
  const [code] = codes as [ErrorCode]
  const { title } = errorTable[code]
  return {
    description: codes.map((each) => `\`${each}\`: ${errorTable[each].title}.`).join(' '),
    content: {
      [problemMediaType]: {
        schema: {
          allOf: [
            { $ref: '#/components/schemas/Problem' },
            { type: 'object', properties: { code: { type: 'string', enum: codes } } },
          ],
        },
        example: {
          type: `urn:deepwatch:problem:${code}`,
          title,
          status,
          detail: `${title}.`,
          code,
          requestId: '4f1c7f0e-3f1e-4f55-9d3a-0d6a54a3c9b1',
        },
      },
    },
  }
}

/** A schema that clients may name goes to the components; all others stand where they are used. */
function reference(schema: z.ZodType, schemas: Json): Json {
  const id = schema.meta()?.id
  const json = toJsonSchema(schema)
  if (!id) return json
  schemas[id] = json
  return { $ref: `#/components/schemas/${id}` }
}

function toJsonSchema(schema: z.ZodType): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io: 'input',
    unrepresentable: 'any',
    reused: 'inline',
    // Inner schemas with an id are written out: references to `$defs` would point outside the component.
    metadata: withoutIds,
    override: ({ zodSchema, jsonSchema }) => {
      if (zodSchema._zod.def.type === 'custom' && jsonSchema.type === undefined)
        Object.assign(jsonSchema, { type: 'object', additionalProperties: true })
    },
  }) as Json
  return json
}

/** The metadata of every schema but its id, so that nothing becomes a reference. */
const withoutIds = {
  get: (schema: z.ZodType) => {
    const { id: _, ...meta } = z.globalRegistry.get(schema) ?? {}
    return meta
  },
} as unknown as typeof z.globalRegistry

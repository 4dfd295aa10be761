/** Prints the OpenAPI 3.1 document from what the routes say of themselves. */
import type { FastifyInstance } from 'fastify'
import { type ErrorCode, errorTable } from '../errors.ts'
import { exampleJob, problem } from '../schemas/index.ts'
import { type Json, OpenapiParts, type Reference } from './openapi-parts.ts'
import type { Answer, Content, Operation } from './operation.ts'
import { problemMediaType } from './problem.ts'

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
  const parts = new OpenapiParts()
  parts.schema(problem)
  const paths: Record<string, Json> = {}
  for (const { method, url, operation, secured } of collected) {
    const path = url.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [method]: describe(operation, url, secured, parts) }
  }
  const { schemas, responses, parameters } = parts
  return {
    ...preamble(version),
    paths,
    components: {
      schemas,
      responses,
      parameters,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'Only where the service was started with tokens.' },
      },
    },
  }
}

const preamble = (version: string) => ({
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
})

function describe(operation: Operation, url: string, secured: boolean, parts: OpenapiParts): Json {
  const { id, summary, description, tag, body, answers, errors } = operation
  return {
    operationId: id,
    summary,
    ...(description ? { description } : {}),
    tags: [tag],
    security: secured ? [{}, { bearer: [] }] : [],
    parameters: parametersOf(operation, url, parts).map((each) =>
      parts.share('parameters', [each.name, `${id}.${each.name}`], { ...each }),
    ),
    ...(body ? { requestBody: { required: false, content: contents(body, parts, settingsName(id)) } } : {}),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, describeAnswer(answer, parts)])),
      ...problems(id, [...errors, ...everywhere, ...(secured ? guarded : [])], parts),
    },
  }
}

/** The name of the schema of a JSON body: `TrainSettings`. */
const settingsName = (id: string) => `${id[0]!.toUpperCase()}${id.slice(1)}Settings`

interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query' | 'header'
  readonly required: boolean
  readonly [key: string]: unknown
}

function parametersOf(operation: Operation, url: string, parts: OpenapiParts): Parameter[] {
  const inPath = [...url.matchAll(/:(\w+)/g)].map(
    ([, name]): Parameter => ({
      name: name!,
      in: 'path',
      required: true,
      schema: { type: 'string' },
      example: pathExamples[name!] ?? name,
    }),
  )
  const inHeader = Object.entries(operation.headers ?? {}).map(
    ([name, { description, example }]): Parameter => ({
      name,
      in: 'header',
      required: false,
      description,
      schema: { type: 'string' },
      example,
    }),
  )
  return [...inPath, ...queryParameters(operation, parts), ...inHeader]
}

const pathExamples: Readonly<Record<string, string>> = { name: 'web', version: '3', index: '0', id: exampleJob.id }

function queryParameters({ id, query, body }: Operation, parts: OpenapiParts): Parameter[] {
  if (!query) return []
  const { properties = {} } = parts.schema(query) as { properties?: Record<string, Json> }
  return Object.entries(properties).map(([name, { description, ...schema }]) => {
    const scalar = typeof schema['type'] === 'string' && !['object', 'array'].includes(schema['type'])
    // As in the body, where it is said what it looks like.
    const settings = { $ref: `#/components/schemas/${settingsName(id)}/properties/${name}` }
    const place =
      scalar || schema['enum'] ? { schema } : { content: { 'application/json': { schema: body ? settings : schema } } }
    // Whatever stands in the query may stand in the body instead, so nothing is required here.
    return { name, in: 'query', required: false, ...(description ? { description } : {}), ...place }
  })
}

/** With a `name` the schema of JSON becomes a part of the document. */
function contents(body: Readonly<Record<string, Content>>, parts: OpenapiParts, name?: string): Json {
  return Object.fromEntries(
    Object.entries(body).map(([mediaType, { schema, example }]) => [
      mediaType,
      {
        ...(schema
          ? { schema: name && mediaType === 'application/json' ? parts.named(name, schema) : parts.schema(schema) }
          : {}),
        ...(example === undefined ? {} : { example }),
      },
    ]),
  )
}

function describeAnswer({ description, content, headers }: Answer, parts: OpenapiParts): Json {
  return {
    description,
    ...(headers
      ? {
          headers: Object.fromEntries(
            Object.entries(headers).map(([name, text]) => [name, { description: text, schema: { type: 'string' } }]),
          ),
        }
      : {}),
    ...(content ? { content: contents(content, parts) } : {}),
  }
}

/** The codes of an operation by status: a response per status, shared by all operations with the same codes. */
function problems(id: string, errors: readonly ErrorCode[], parts: OpenapiParts): Record<string, Reference> {
  const byStatus = new Map<number, ErrorCode[]>()
  for (const code of new Set(errors)) {
    const { status } = errorTable[code]
    byStatus.set(status, [...(byStatus.get(status) ?? []), code])
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => {
      const name = codes.length === 1 ? codes[0]! : `${id}.${status}`
      return [String(status), parts.share('responses', [name], problemResponse(status, codes.sort()))]
    }),
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

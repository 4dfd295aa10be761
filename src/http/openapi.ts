/** Prints the OpenAPI 3.1 document from what the routes say of themselves. */
import { isDeepStrictEqual } from 'node:util'
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { DeepWatchError, type ErrorCode, errorTable } from '../errors.ts'
import { exampleJob, problem } from '../schemas/index.ts'
import type { Content, Operation } from './operation.ts'
import { problemMediaType, problemOf } from './problem.ts'

/** Members that are undefined are not printed. */
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

/** The document of all routes registered after this call. A route without an operation throws. */
export function documentRoutes(app: FastifyInstance, version: string): Json {
  const parts = new Parts()
  parts.schema(problem)
  const paths: Record<string, Json> = {}
  app.addHook('onRoute', ({ method, url, config: { operation, scope } = {} }) => {
    for (const name of [method].flat()) {
      if (name === 'HEAD' || url.startsWith('/docs')) continue
      if (!operation) throw new Error(`a route without an operation: ${name} ${url}`)
      const path = url.replace(/:(\w+)/g, '{$1}')
      paths[path] = { ...paths[path], [name.toLowerCase()]: describe(operation, url, scope !== 'public', parts) }
    }
  })
  const bearer = { type: 'http', scheme: 'bearer', description: 'Only where the service was started with tokens.' }
  return { ...preamble(version), paths, components: { ...parts.all, securitySchemes: { bearer } } }
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

function describe(operation: Operation, url: string, secured: boolean, parts: Parts): Json {
  const { id, summary, description, tag, body, answers, errors } = operation
  return {
    operationId: id,
    summary,
    description,
    tags: [tag],
    security: secured ? [{}, { bearer: [] }] : [],
    parameters: parametersOf(operation, url, parts).map((each) =>
      parts.share('parameters', [each.name, `${id}.${each.name}`], each),
    ),
    requestBody: body && { required: false, content: contents(body, parts, settingsName(id)) },
    responses: {
      ...mapValues(answers, ({ description, headers, content }) => ({
        description,
        headers: headers && mapValues(headers, (text) => ({ description: text, schema: { type: 'string' } })),
        content: content && contents(content, parts),
      })),
      ...problems(id, [...errors, ...everywhere, ...(secured ? guarded : [])], parts),
    },
  }
}

/** The name of the schema of a JSON body: `TrainSettings`. */
const settingsName = (id: string) => `${id[0]!.toUpperCase()}${id.slice(1)}Settings`

type Parameter = Json & { readonly name: string }

const pathExamples: Readonly<Record<string, string>> = { name: 'web', version: '1', index: '0', id: exampleJob.id }

function parametersOf(operation: Operation, url: string, parts: Parts): Parameter[] {
  const inPath = [...url.matchAll(/:(\w+)/g)].map(([, name = '']) => {
    return { name, in: 'path', required: true, schema: { type: 'string' }, example: pathExamples[name] ?? name }
  })
  const inHeader = Object.entries(operation.headers ?? {}).map(([name, { description, example }]) => {
    // Told, not shown: the pages send whatever is an example, and a key, once used, belongs to one request.
    const told = `${description} Such as \`${example}\`.`
    return { name, in: 'header', required: false, description: told, schema: { type: 'string' } }
  })
  return [...inPath, ...queryParameters(operation, parts), ...inHeader]
}

function queryParameters({ id, query, body }: Operation, parts: Parts): Parameter[] {
  if (!query) return []
  const { properties = {} } = parts.schema(query) as { properties?: Record<string, Json> }
  return Object.entries(properties).map(([name, { description, ...schema }]) => {
    const scalar = typeof schema['type'] === 'string' && !['object', 'array'].includes(schema['type'])
    // As in the body, where it is said what it looks like.
    const settings = { $ref: `#/components/schemas/${settingsName(id)}/properties/${name}` }
    // A text to the pages, which would make up an object and send it.
    const asText = { type: 'string', contentMediaType: 'application/json', contentSchema: body ? settings : schema }
    const place = { schema: scalar || schema['enum'] ? schema : asText }
    // Whatever stands in the query may stand in the body instead, so nothing is required here.
    return { name, in: 'query', required: false, description, ...place }
  })
}

/** With a `name` the schema of JSON becomes a part of the document. */
function contents(body: Readonly<Record<string, Content>>, parts: Parts, name?: string): Json {
  return mapValues(body, ({ schema, example }, mediaType) => {
    const isNamed = name && mediaType === 'application/json'
    return { schema: schema && (isNamed ? parts.named(name, schema) : parts.schema(schema)), example }
  })
}

/** The codes of an operation by status: a response per status, shared by all operations with the same codes. */
function problems(id: string, errors: readonly ErrorCode[], parts: Parts): Json {
  const statuses = new Set(errors.map((code) => errorTable[code].status))
  const responses = [...statuses].map((status) => {
    const codes = [...new Set(errors)].filter((code) => errorTable[code].status === status).sort()
    const name = codes.length === 1 ? codes[0]! : `${id}.${status}`
    return [status, parts.share('responses', [name], problemResponse(codes))]
  })
  return Object.fromEntries(responses)
}

function problemResponse(codes: readonly ErrorCode[]): Json {
  const error = new DeepWatchError(codes[0]!, `${errorTable[codes[0]!].title}.`)
  const schema = {
    allOf: [
      { $ref: '#/components/schemas/Problem' },
      { type: 'object', properties: { code: { type: 'string', enum: codes } } },
    ],
  }
  return {
    description: codes.map((each) => `\`${each}\`: ${errorTable[each].title}.`).join(' '),
    content: { [problemMediaType]: { schema, example: problemOf(error, '4f1c7f0e-3f1e-4f55-9d3a-0d6a54a3c9b1') } },
  }
}

/** The parts of the document that are written once and referred to. */
class Parts {
  readonly all: Record<'schemas' | 'responses' | 'parameters', Json> = { schemas: {}, responses: {}, parameters: {} }

  /** Refers to `part`, under the first of the names that no other part has. */
  share(kind: 'responses' | 'parameters', names: readonly string[], part: Json) {
    const parts = this.all[kind]
    const name =
      Object.keys(parts).find((each) => isDeepStrictEqual(parts[each], part)) ??
      names.find((each) => parts[each] === undefined)!
    parts[name] = part
    return { $ref: `#/components/${kind}/${name}` }
  }

  /** A schema as JSON Schema. One with an id, also inside another, becomes a part and is referred to. */
  schema(schema: z.ZodType): Json {
    const json = z.toJSONSchema(schema, {
      io: 'input',
      unrepresentable: 'any',
      reused: 'inline',
      override: ({ zodSchema, jsonSchema }) => {
        if (zodSchema._zod.def.type === 'custom' && jsonSchema.type === undefined)
          Object.assign(jsonSchema, { type: 'object', additionalProperties: true })
      },
    })
    const text = JSON.stringify(json).replaceAll('"#/$defs/', '"#/components/schemas/')
    const { $schema: _, $defs = {}, ...rest } = JSON.parse(text) as Json
    Object.assign(this.all.schemas, $defs)
    return rest
  }

  named(name: string, schema: z.ZodType) {
    this.all.schemas[name] = this.schema(schema)
    return { $ref: `#/components/schemas/${name}` }
  }
}

const mapValues = <T>(record: Readonly<Record<string, T>>, to: (value: T, key: string) => unknown): Json =>
  Object.fromEntries(Object.entries(record).map(([key, value]) => [key, to(value, key)]))

/** Health, metrics and the description of the service itself. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { DeepWatchError } from '../src/errors.ts'
import { answerInJson, noQuery, readQuery, route } from '../src/http/index.ts'

const live = z.object({ status: z.literal('live') })
const ready = z.object({
  status: z.literal('ready'),
  models: z.int(),
  versions: z.int(),
  quarantined: z
    .array(z.object({ model: z.string(), version: z.int().nullable(), code: z.string() }))
    .describe('Versions that are on disk and cannot be used; the others serve.'),
})

const text = 'text/plain'
const openMetrics = 'application/openmetrics-text'

export const operations = [
  route({
    method: 'GET',
    url: '/livez',
    scope: 'public',
    operation: {
      id: 'livez',
      summary: 'Whether the process lives',
      tag: 'service',
      answers: {
        200: answerInJson('It does.', live, { status: 'live' }),
      },
      errors: [],
    },
    handler: livez,
  }),
  route({
    method: 'GET',
    url: '/readyz',
    scope: 'public',
    operation: {
      id: 'readyz',
      summary: 'Whether work is accepted',
      tag: 'service',
      answers: {
        200: answerInJson('It is.', ready, { status: 'ready', models: 1, versions: 3, quarantined: [] }),
      },
      errors: ['starting', 'shutting_down'],
    },
    handler: readyz,
  }),
  route({
    method: 'GET',
    url: '/metrics',
    scope: 'read',
    operation: {
      id: 'metrics',
      summary: 'Metrics for Prometheus',
      tag: 'service',
      answers: {
        200: {
          description: 'Prometheus text, or OpenMetrics where that is accepted.',
          content: {
            [text]: { example: 'deepwatch_rows_scored_total{model="web",version="3"} 2\n' },
            [openMetrics]: { example: 'deepwatch_rows_scored_total{model="web",version="3"} 2.0\n# EOF\n' },
          },
        },
      },
      errors: [],
    },
    handler: metrics,
  }),
  route({
    method: 'GET',
    url: '/openapi.json',
    scope: 'read',
    operation: {
      id: 'openapiJson',
      summary: 'This document as JSON',
      tag: 'service',
      answers: {
        200: { description: 'OpenAPI 3.1.', content: { 'application/json': { example: { openapi: '3.1.0' } } } },
      },
      errors: [],
    },
    handler: openapiJson,
  }),
  route({
    method: 'GET',
    url: '/openapi.yaml',
    scope: 'read',
    operation: {
      id: 'openapiYaml',
      summary: 'This document as YAML',
      tag: 'service',
      answers: {
        200: { description: 'OpenAPI 3.1.', content: { 'application/yaml': { example: 'openapi: 3.1.0\n' } } },
      },
      errors: [],
    },
    handler: openapiYaml,
  }),
]

async function livez() {
  return { status: 'live' }
}

async function readyz(request: FastifyRequest) {
  const { service, state } = request.server.deepwatch
  if (state() === 'draining')
    throw new DeepWatchError('shutting_down', 'The service finishes what it accepted and takes nothing new.')
  const { registry } = service()
  const { models, versions } = registry.size
  return { status: 'ready', models, versions, quarantined: registry.quarantined() }
}

async function metrics(request: FastifyRequest, reply: FastifyReply) {
  readQuery(noQuery, request)
  const format = request.form === openMetrics ? 'openmetrics' : 'text'
  const { body, mediaType } = await request.server.deepwatch.metrics.print(format)
  return reply.type(mediaType).send(body)
}

async function openapiJson(request: FastifyRequest, reply: FastifyReply) {
  readQuery(noQuery, request)
  return reply.type('application/json').send(JSON.stringify(request.server.swagger()))
}

async function openapiYaml(request: FastifyRequest, reply: FastifyReply) {
  readQuery(noQuery, request)
  return reply.type('application/yaml').send(request.server.swagger({ yaml: true }))
}

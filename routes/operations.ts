/** Health, metrics and the description of the service itself. */
import { z } from 'zod'
import { DeepWatchError } from '../src/errors.ts'
import { answerInJson, route } from '../src/http/index.ts'

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
      answers: { 200: answerInJson('It does.', live, { status: 'live' }) },
      errors: [],
    },
    handler: async () => ({ status: 'live' }),
  }),
  route({
    method: 'GET',
    url: '/readyz',
    scope: 'public',
    operation: {
      id: 'readyz',
      summary: 'Whether work is accepted',
      tag: 'service',
      answers: { 200: answerInJson('It is.', ready, { status: 'ready', models: 1, versions: 3, quarantined: [] }) },
      errors: ['starting', 'shutting_down'],
    },
    async handler(request) {
      const { service, state } = request.server.deepwatch
      if (state() === 'draining')
        throw new DeepWatchError('shutting_down', 'The service finishes what it accepted and takes nothing new.')
      const { registry } = service()
      return { status: 'ready', ...registry.size, quarantined: registry.quarantined() }
    },
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
    async handler(request, reply) {
      const format = request.form === openMetrics ? 'openmetrics' : 'text'
      const { body, mediaType } = await request.server.deepwatch.metrics.print(format)
      return reply.type(mediaType).send(body)
    },
  }),
  describedAs('json', { openapi: '3.1.0' }),
  describedAs('yaml', 'openapi: 3.1.0\n'),
]

/** The description of the service in one of its two notations. */
function describedAs(notation: 'json' | 'yaml', example: unknown) {
  const name = notation.toUpperCase()
  const type = `application/${notation}`
  return route({
    method: 'GET',
    url: `/openapi.${notation}`,
    scope: 'read',
    operation: {
      id: notation === 'json' ? 'openapiJson' : 'openapiYaml',
      summary: `This document as ${name}`,
      tag: 'service',
      answers: { 200: { description: 'OpenAPI 3.1.', content: { [type]: { example } } } },
      errors: [],
    },
    async handler({ server }, reply) {
      return reply
        .type(type)
        .send(notation === 'json' ? JSON.stringify(server.swagger()) : server.swagger({ yaml: true }))
    },
  })
}

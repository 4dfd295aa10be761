/** Health, metrics and the description of the service itself. */
import { z } from 'zod'
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

const links = z
  .object({
    service: z.literal('DeepWatch'),
    docs: z.string().describe('The pages for people.'),
    openapi: z.string(),
    models: z.string(),
    health: z.string(),
  })
  .meta({ id: 'Links' })
const start = {
  service: 'DeepWatch',
  docs: '/docs',
  openapi: '/openapi.json',
  models: '/models',
  health: '/readyz',
} as const

export const operations = [
  route({
    method: 'GET',
    url: '/',
    scope: 'public',
    operation: {
      id: 'start',
      summary: 'Where to begin',
      tag: 'service',
      answers: {
        200: answerInJson('Links for a program.', links, start),
        302: { description: 'For a browser, to the documents.', headers: { Location: '`/docs`.' } },
      },
      errors: [],
    },
    async handler(request, reply) {
      // A browser asks for pages by name; what takes anything is a program.
      const isBrowser = /\btext\/html\b/i.test(request.headers.accept ?? '')
      return isBrowser ? reply.redirect('/docs') : start
    },
  }),
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
      const { registry } = request.server.deepwatch.service()
      const { models, versions } = registry.size
      return { status: 'ready', models, versions, quarantined: registry.quarantined() }
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
  const type = `application/${notation}`
  return route({
    method: 'GET',
    url: `/openapi.${notation}`,
    scope: 'read',
    operation: {
      id: notation === 'json' ? 'openapiJson' : 'openapiYaml',
      summary: `This document as ${notation.toUpperCase()}`,
      tag: 'service',
      answers: { 200: { description: 'OpenAPI 3.1.', content: { [type]: { example } } } },
      errors: [],
    },
    async handler({ server }, reply) {
      const text = notation === 'json' ? JSON.stringify(server.swagger()) : server.swagger({ yaml: true })
      return reply.type(type).send(text)
    },
  })
}

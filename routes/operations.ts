/** Health, metrics and the description of the service itself. */
import type { FastifyInstance } from 'fastify'
import { z } from 'zod'
import { DeepWatchError } from '../src/errors.ts'
import { noQuery, readQuery } from '../src/http/index.ts'

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

export default async function operations(app: FastifyInstance): Promise<void> {
  app.get(
    '/livez',
    {
      config: {
        scope: 'public',
        operation: {
          id: 'livez',
          summary: 'Whether the process lives',
          tag: 'service',
          answers: {
            200: {
              description: 'It does.',
              content: { 'application/json': { schema: live, example: { status: 'live' } } },
            },
          },
          errors: [],
        },
      },
    },
    async () => ({ status: 'live' }),
  )

  app.get(
    '/readyz',
    {
      config: {
        scope: 'public',
        operation: {
          id: 'readyz',
          summary: 'Whether work is accepted',
          tag: 'service',
          answers: {
            200: {
              description: 'It is.',
              content: {
                'application/json': {
                  schema: ready,
                  example: { status: 'ready', models: 1, versions: 3, quarantined: [] },
                },
              },
            },
          },
          errors: ['starting', 'shutting_down'],
        },
      },
    },
    async () => {
      const { service, state } = app.deepwatch
      if (state() === 'draining')
        throw new DeepWatchError('shutting_down', 'The service finishes what it accepted and takes nothing new.')
      const { registry } = service()
      const { models, versions } = registry.size
      return { status: 'ready', models, versions, quarantined: registry.quarantined() }
    },
  )

  app.get(
    '/metrics',
    {
      config: {
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
      },
    },
    async (request, reply) => {
      readQuery(noQuery, request)
      const format = request.form === openMetrics ? 'openmetrics' : 'text'
      const { body, mediaType } = await app.deepwatch.metrics.print(format)
      return reply.type(mediaType).send(body)
    },
  )

  for (const kind of ['json', 'yaml'] as const) {
    const mediaType = kind === 'json' ? 'application/json' : 'application/yaml'
    app.get(
      `/openapi.${kind}`,
      {
        config: {
          scope: 'read',
          operation: {
            id: `openapi${kind === 'json' ? 'Json' : 'Yaml'}`,
            summary: `This document as ${kind.toUpperCase()}`,
            tag: 'service',
            answers: {
              200: {
                description: 'OpenAPI 3.1.',
                content: { [mediaType]: { example: kind === 'json' ? { openapi: '3.1.0' } : 'openapi: 3.1.0\n' } },
              },
            },
            errors: [],
          },
        },
      },
      async (request, reply) => {
        readQuery(noQuery, request)
        return reply.type(mediaType).send(kind === 'json' ? JSON.stringify(app.swagger()) : app.swagger({ yaml: true }))
      },
    )
  }
}

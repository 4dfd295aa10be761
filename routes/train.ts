/** `POST /train`: a new version of a model. */
import type { FastifyInstance } from 'fastify'
import { withIntake } from '../src/http/context.ts'
import { telemetryBodies, telemetryErrors } from '../src/http/telemetry-bodies.ts'
import { exampleVersion } from '../src/schemas/examples.ts'
import { versionDocument } from '../src/schemas/model.ts'
import { trainSettings } from '../src/schemas/train.ts'

export default async function train(app: FastifyInstance): Promise<void> {
  app.post(
    '/train',
    {
      config: {
        scope: 'train',
        takesWork: true,
        operation: {
          id: 'train',
          summary: 'Train a new version of a model',
          description:
            'Reads the source twice: once for the samples and the profile, once to score every row for the threshold. When the answer comes the version is on disk and, unless `serve` is false, serving. The same seed and telemetry give the same `payload.sha256`. `GET` the address in `Location` for the document again.',
          tag: 'telemetry',
          query: trainSettings.omit({ rows: true }),
          body: telemetryBodies(trainSettings, {
            model: 'web',
            source: { path: 'web.parquet' },
            detector: { type: 'isolation-forest', trees: 100, sampleSize: 256, seed: 42 },
            threshold: { contamination: 0.01 },
          }),
          answers: {
            201: {
              description: 'The version document.',
              headers: { Location: 'Where the version is.' },
              content: { 'application/json': { schema: versionDocument, example: exampleVersion } },
            },
          },
          errors: [
            ...telemetryErrors,
            'no_features',
            'no_variance',
            'too_many_missing',
            'insufficient_data',
            'training_too_large',
            'registry_full',
            'storage_error',
          ],
        },
      },
    },
    (request, reply) =>
      withIntake(app, trainSettings, request, reply, async ({ settings, upload }) => {
        const document = await app.deepwatch
          .service()
          .training.train(settings, upload, { signal: request.gone, log: request.log })
        return reply
          .code(201)
          .header('location', `/models/${document.model}/versions/${document.version}`)
          .send(document)
      }),
  )
}

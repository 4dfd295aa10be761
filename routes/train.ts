/** `POST /train`: a new version of a model. */
import type { FastifyInstance } from 'fastify'
import {
  acceptedAnswer,
  answerWork,
  telemetryBodies,
  telemetryErrors,
  workErrors,
  workErrorsOf,
  workFields,
} from '../src/http/index.ts'
import { jsonAnswer } from '../src/jobs/index.ts'
import { exampleVersion, trainSettings, versionDocument } from '../src/schemas/index.ts'

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
          headers: workFields,
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
            202: acceptedAnswer,
          },
          errors: [...telemetryErrors, ...workErrors, ...workErrorsOf.train],
        },
      },
    },
    (request, reply) =>
      answerWork(
        app,
        {
          kind: 'train',
          settings: trainSettings,
          plan: (settings) => async (upload, work) => {
            const document = await app.deepwatch.service().training.train(settings, upload, work)
            const location = `/models/${document.model}/versions/${document.version}`
            return jsonAnswer(201, document, { headers: { location }, isCommitted: true })
          },
        },
        request,
        reply,
      ),
  )
}

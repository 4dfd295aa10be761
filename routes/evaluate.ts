/** `POST /evaluate`: how good the flags are on a labelled source. */
import type { FastifyInstance } from 'fastify'
import { withIntake } from '../src/http/context.ts'
import { telemetryBodies, telemetryErrors } from '../src/http/telemetry-bodies.ts'
import { evaluateSettings, evaluation } from '../src/schemas/evaluate.ts'
import { exampleEvaluation } from '../src/schemas/examples.ts'

export default async function evaluate(app: FastifyInstance): Promise<void> {
  app.post(
    '/evaluate',
    {
      config: {
        scope: 'score',
        takesWork: true,
        operation: {
          id: 'evaluate',
          summary: 'Score a labelled source and report how good the flags are',
          description:
            "Precision, recall, F1, confusion counts and events are at the version's own threshold; ROC-AUC and average precision need none. Beside each figure stands, in `random`, what a random score that flags as many rows reaches. The label column is the one named here or in training. Raises no counters.",
          tag: 'telemetry',
          query: evaluateSettings.omit({ rows: true }),
          body: telemetryBodies(evaluateSettings, {
            model: 'web',
            source: { path: 'web-today.parquet' },
            label: 'label',
          }),
          answers: {
            200: {
              description: 'The figures.',
              content: { 'application/json': { schema: evaluation, example: exampleEvaluation } },
            },
          },
          errors: [
            ...telemetryErrors,
            'model_not_found',
            'version_not_found',
            'missing_feature',
            'one_class',
            'evaluation_too_large',
            'model_corrupt',
            'model_version_unsupported',
          ],
        },
      },
    },
    (request, reply) =>
      withIntake(app, evaluateSettings, request, reply, ({ settings, upload }) =>
        app.deepwatch.service().evaluation.evaluate(settings, upload, { signal: request.gone }),
      ),
  )
}

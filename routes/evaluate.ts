/** `POST /evaluate`: how good the flags are on a labelled source. */
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
import { evaluateSettings, evaluation, exampleEvaluation } from '../src/schemas/index.ts'

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
          headers: workFields,
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
            202: acceptedAnswer,
          },
          errors: [...telemetryErrors, ...workErrors, ...workErrorsOf.evaluate],
        },
      },
    },
    (request, reply) =>
      answerWork(
        app,
        {
          kind: 'evaluate',
          settings: evaluateSettings,
          plan: (settings) => async (upload, work) =>
            jsonAnswer(200, await app.deepwatch.service().evaluation.evaluate(settings, upload, work)),
        },
        request,
        reply,
      ),
  )
}

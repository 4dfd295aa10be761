/** `POST /evaluate`: how good the flags are on a labelled source. */
import {
  acceptedAnswer,
  answerInJson,
  answerWork,
  route,
  telemetryBodies,
  telemetryErrors,
  type WorkKind,
  workErrors,
  workErrorsOf,
  workFields,
} from '../src/http/index.ts'
import { jsonAnswer } from '../src/jobs/index.ts'
import { evaluateSettings, evaluation, exampleEvaluation } from '../src/schemas/index.ts'

const evaluationWork: WorkKind<typeof evaluateSettings> = {
  kind: 'evaluate',
  settings: evaluateSettings,
  plan: (settings, _form, service) => async (upload, work) =>
    jsonAnswer(200, await service().evaluation.evaluate(settings, upload, work)),
}

export const evaluate = route({
  method: 'POST',
  url: '/evaluate',
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
    body: telemetryBodies(evaluateSettings, { model: 'web', source: { path: 'web-today.parquet' }, label: 'label' }),
    answers: { 200: answerInJson('The figures.', evaluation, exampleEvaluation), 202: acceptedAnswer },
    errors: [...telemetryErrors, ...workErrors, ...workErrorsOf.evaluate],
  },
  handler: (request, reply) => answerWork(evaluationWork, request, reply),
})

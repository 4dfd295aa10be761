/** `POST /evaluate`: how good the flags are on a labelled source. */
import { answerInJson, workRoute } from '../src/http/index.ts'
import { jsonAnswer } from '../src/jobs/index.ts'
import { evaluateSettings, evaluation, exampleEvaluation, exampleRows } from '../src/schemas/index.ts'

export const evaluate = workRoute({
  kind: 'evaluate',
  scope: 'score',
  settings: evaluateSettings,
  summary: 'Score a labelled source and report how good the flags are',
  description:
    "Precision, recall, F1, confusion counts and events are at the version's own threshold; ROC-AUC and average precision need none. Beside each figure stands, in `random`, what a random score that flags as many rows reaches. The label column is the one named here or in training. Raises no counters.",
  example: { model: 'web', rows: exampleRows, label: 'label' },
  answers: { 200: answerInJson('The figures.', evaluation, exampleEvaluation) },
  plan: (settings, _form, service) => async (upload, work) =>
    jsonAnswer(200, await service().evaluation.evaluate(settings, upload, work)),
})

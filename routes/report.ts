/** `POST /report`: a source scored with a model, as a report. */
import {
  chooseFormat,
  reportAnswers,
  route,
  sendReport,
  telemetryBodies,
  telemetryErrors,
  withIntake,
  workErrorsOf,
} from '../src/http/index.ts'
import { exampleRows, reportSettings } from '../src/schemas/index.ts'

export const report = route({
  method: 'POST',
  url: '/report',
  scope: 'score',
  takesWork: true,
  formIsASetting: true,
  operation: {
    id: 'report',
    summary: 'Score a source and answer with its report',
    description:
      'The score over time with threshold, flags and labels, the distribution of scores, the most anomalous rows beside what is usual, flags by hour, weekday and entity, every feature with where its flagged rows lie, and the facts of the training. With a label the flags are judged beside chance. Weighs the same for any number of rows. Raises no counters.',
    tag: 'telemetry',
    query: reportSettings.omit({ rows: true }),
    body: telemetryBodies(reportSettings, { model: 'web', rows: exampleRows, label: 'label' }),
    answers: { 200: reportAnswers },
    errors: [...telemetryErrors, ...workErrorsOf.score, 'storage_error'],
  },
  handler: (request, reply) =>
    withIntake(reportSettings, request, reply, async ({ settings: { format: wanted, ...settings }, upload }) => {
      const format = chooseFormat(request, wanted)
      const { reporting } = request.server.deepwatch.service()
      return sendReport(reply, await reporting.ofSource(settings, upload, request.work), format)
    }),
})

/** `POST /report`: a source scored with a model, as a report. */
import type { FastifyInstance } from 'fastify'
import {
  chooseFormat,
  reportAnswers,
  sendReport,
  telemetryBodies,
  telemetryErrors,
  withIntake,
  workErrorsOf,
  workOf,
} from '../src/http/index.ts'
import { reportSettings } from '../src/schemas/index.ts'

export default async function report(app: FastifyInstance): Promise<void> {
  app.post(
    '/report',
    {
      config: {
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
          body: telemetryBodies(reportSettings, {
            model: 'web',
            source: { path: 'web-today.parquet' },
            label: 'label',
          }),
          answers: { 200: reportAnswers },
          errors: [...telemetryErrors, ...workErrorsOf.score, 'storage_error'],
        },
      },
    },
    (request, reply) =>
      withIntake(app, reportSettings, request, reply, async ({ settings: { format: wanted, ...settings }, upload }) => {
        const format = chooseFormat(request, wanted)
        const work = workOf(request)
        return sendReport(reply, await app.deepwatch.service().reporting.ofSource(settings, upload, work), format)
      }),
  )
}

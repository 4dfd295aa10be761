/** `POST /score`: a source scored with a model, in the form the client accepts. */
import { createReadStream } from 'node:fs'
import { finished } from 'node:stream/promises'
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { DeepWatchError } from '../src/errors.ts'
import { withIntake } from '../src/http/context.ts'
import { asDeepWatchError, problemOf } from '../src/http/problem.ts'
import { jsonPieces, ndjsonPieces, type Return } from '../src/http/results.ts'
import { sendPieces } from '../src/http/stream.ts'
import { telemetryBodies, telemetryErrors } from '../src/http/telemetry-bodies.ts'
import { exampleScores } from '../src/schemas/examples.ts'
import { type ScoreSettings, scoreAnswer, scoreSettings } from '../src/schemas/score.ts'
import type { ScoringRun } from '../src/scoring.ts'

const json = 'application/json'
const ndjson = 'application/x-ndjson'
const parquet = 'application/vnd.apache.parquet'
const arrow = 'application/vnd.apache.arrow.stream'

export default async function score(app: FastifyInstance): Promise<void> {
  app.post(
    '/score',
    {
      config: {
        scope: 'score',
        takesWork: true,
        operation: {
          id: 'score',
          summary: 'Score a source with a model',
          description:
            'Results are in source order, from exactly one version, named in `DeepWatch-Model`. `isAnomaly` is `score > threshold`, the version\'s own threshold. NDJSON ends with a line `{"summary": …}`, or `{"problem": …}` when the source broke off; JSON and Arrow that fail after the headers abort the connection. Parquet and Arrow hold the source\'s own columns with `anomaly_score` and `is_anomaly`.',
          tag: 'telemetry',
          query: scoreSettings.omit({ rows: true }),
          body: telemetryBodies(scoreSettings, {
            model: 'web',
            rows: [
              { cpu: 0.31, latency_ms: 12.4 },
              { cpu: 0.99, latency_ms: 840 },
            ],
          }),
          answers: {
            200: {
              description: 'The scores.',
              headers: {
                'DeepWatch-Model': 'Model and version, such as `web@3`.',
                'DeepWatch-Threshold': 'The threshold of that version.',
              },
              content: {
                [json]: { schema: scoreAnswer, example: exampleScores },
                [ndjson]: {
                  example:
                    '{"row":0,"score":0.43,"isAnomaly":false}\n{"row":1,"score":0.72,"isAnomaly":true}\n{"summary":{"model":"web","version":3,"threshold":0.61,"rows":2,"anomalies":1,"unscored":0}}\n',
                },
                [parquet]: {},
                [arrow]: {},
              },
            },
          },
          errors: [
            ...telemetryErrors,
            'model_not_found',
            'version_not_found',
            'missing_feature',
            'model_corrupt',
            'model_version_unsupported',
          ],
        },
      },
    },
    async (request, reply) => {
      const { form } = request
      return withIntake(app, scoreSettings, request, reply, async ({ settings, upload }) => {
        const which = chooseReturn(settings, form)
        const isTable = form === parquet || form === arrow
        const run = await app.deepwatch
          .service()
          .scoring.score(settings, upload, isTable ? 'table' : 'rows', { signal: request.gone })
        try {
          reply
            .header('deepwatch-model', `${run.model}@${run.version}`)
            .header('deepwatch-threshold', String(run.threshold))
            .type(form)
          await send(app, run, form, which, request, reply)
          return reply
        } finally {
          await run.close()
        }
      })
    },
  )
}

/** Which rows are answered with. A wish that would change nothing is refused. */
function chooseReturn(settings: ScoreSettings, form: string): Return {
  const which = settings.return ?? (settings.rows || form !== json ? 'all' : 'anomalies')
  const isTable = form === parquet || form === arrow
  if (isTable && which === 'none')
    throw new DeepWatchError('unused_setting', 'return: none leaves nothing to write in this form.')
  if (settings.include && (isTable || which === 'none')) {
    throw new DeepWatchError(
      'unused_setting',
      isTable
        ? 'include: this form holds every column of the source.'
        : 'include: with return none there is nothing to echo.',
    )
  }
  return which
}

/** Sends the answer and waits until the last byte has left, so that files can be removed afterwards. */
async function send(
  app: FastifyInstance,
  run: ScoringRun,
  form: string,
  which: Return,
  request: FastifyRequest,
  reply: FastifyReply,
): Promise<void> {
  const stallMs = app.deepwatch.config.DEEPWATCH_BODY_STALL_MS
  // A client that leaves in the middle is no failure of ours.
  const left = finished(reply.raw).catch(() => {})
  if (form === parquet) {
    const { path, bytes } = await run.toParquet(which === 'anomalies')
    await sendPieces(reply.header('content-length', bytes), asPieces(createReadStream(path)), stallMs)
  } else if (form === arrow) await sendPieces(reply, asPieces(await run.toArrow(which === 'anomalies')), stallMs)
  else if (form === ndjson) {
    const lastWords = (error: unknown) =>
      `${JSON.stringify({ problem: problemOf(asDeepWatchError(error), request.id) })}\n`
    await sendPieces(reply, ndjsonPieces(run, which), stallMs, lastWords)
  } else await sendPieces(reply, jsonPieces(run, which), stallMs)
  await left
}

async function* asPieces(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* stream
}

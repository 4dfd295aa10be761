/** `POST /score`: a source scored with a model, in the form the client accepts. */
import { createReadStream } from 'node:fs'
import { DeepWatchError } from '../src/errors.ts'
import { csvPieces, jsonPieces, ndjsonPieces, type Return, smallBatchJson, workRoute } from '../src/http/index.ts'
import { type Answer, type Pieces, piecesOf, type StreamedAnswer } from '../src/jobs/index.ts'
import { exampleRows, exampleScores, type ScoreSettings, scoreAnswer, scoreSettings } from '../src/schemas/index.ts'
import type { RowRun, ScoringRun, TableRun } from '../src/scoring/index.ts'

const json = 'application/json'
const ndjson = 'application/x-ndjson'
const csv = 'text/csv'
const parquet = 'application/vnd.apache.parquet'
const arrow = 'application/vnd.apache.arrow.stream'

export const score = workRoute({
  kind: 'score',
  scope: 'score',
  settings: scoreSettings,
  summary: 'Score a source with a model',
  description:
    'Results are in source order, from exactly one version, named in `DeepWatch-Model`. `isAnomaly` is `score > threshold`, the version\'s own threshold. NDJSON ends with a line `{"summary": …}`, or `{"problem": …}` when the source broke off; CSV has the columns `row`, `anomaly_score`, `is_anomaly` and `reason`, then those of `include`. JSON, CSV and Arrow that fail after the headers abort the connection. Parquet and Arrow hold the source\'s own columns with `anomaly_score` and `is_anomaly`.',
  example: {
    model: 'web',
    rows: exampleRows.slice(-2),
  },
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
        [csv]: { example: 'row,anomaly_score,is_anomaly,reason\n0,0.43,false,\n1,0.72,true,out_of_range cpu\n' },
        [parquet]: {},
        [arrow]: {},
      },
    },
  },
  plan(settings, form, service) {
    const which = chooseReturn(settings, form)
    return isTable(form)
      ? (upload, work) => answerTable(service().scoring.scoreTable(settings, upload, work), form, which)
      : (upload, work) => answerRows(service().scoring.scoreRows(settings, upload, work), form, which, settings.include)
  },
})

const isTable = (form: string) => form === parquet || form === arrow

/** Which rows are answered with. A wish that would change nothing is refused. */
function chooseReturn(settings: ScoreSettings, form: string): Return {
  const which = settings.return ?? (settings.rows || form !== json ? 'all' : 'anomalies')
  if ((isTable(form) || form === csv) && which === 'none')
    throw new DeepWatchError('unused_setting', 'return: none leaves nothing to write in this form.')
  if (settings.include && (isTable(form) || which === 'none')) {
    throw new DeepWatchError(
      'unused_setting',
      isTable(form)
        ? 'include: this form holds every column of the source.'
        : 'include: with return none there is nothing to echo.',
    )
  }
  return which
}

/** The rows in the form that was asked for; the run ends with the answer. */
async function answerRows(
  begun: Promise<RowRun>,
  form: string,
  which: Return,
  include: readonly string[] = [],
): Promise<Answer> {
  const run = await begun
  const batch = form === json ? run.smallBatch() : null
  if (batch !== null) {
    const pieces = smallBatchJson(run, await batch, which)
    if (typeof pieces !== 'string') return answerWith(run, form, pieces)
    return { status: 200, type: form, headers: headersOf(run), pieces: [pieces] }
  }
  if (form === csv) return answerWith(run, `${csv}; charset=utf-8`, csvPieces(run, which, include))
  if (form !== ndjson) return answerWith(run, form, jsonPieces(run, which))
  const lastWords = (problem: object) => `${JSON.stringify({ problem })}\n`
  return answerWith(run, form, ndjsonPieces(run, which), { lastWords })
}

async function answerTable(begun: Promise<TableRun>, form: string, which: Return): Promise<Answer> {
  const run = await begun
  const anomaliesOnly = which === 'anomalies'
  try {
    if (form === arrow) return answerWith(run, form, piecesOf(await run.toArrow(anomaliesOnly)))
    const { path, bytes } = await run.toParquet(anomaliesOnly)
    return answerWith(run, form, piecesOf(createReadStream(path)), { bytes })
  } catch (error) {
    await run.close()
    throw error
  }
}

function answerWith(
  run: ScoringRun,
  type: string,
  pieces: Pieces,
  { bytes = null, lastWords }: Partial<Pick<StreamedAnswer, 'bytes' | 'lastWords'>> = {},
): StreamedAnswer {
  return { status: 200, type, headers: headersOf(run), bytes, pieces, lastWords, close: () => run.close() }
}

const headersOf = ({ model, version, threshold }: ScoringRun) => ({
  'deepwatch-model': `${model}@${version}`,
  'deepwatch-threshold': String(threshold),
})

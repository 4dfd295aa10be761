/** `POST /train`: a new version of a model. */
import { answerInJson, workRoute } from '../src/http/index.ts'
import { jsonAnswer } from '../src/jobs/index.ts'
import { exampleRows, exampleVersion, trainSettings, versionDocument } from '../src/schemas/index.ts'

export const train = workRoute({
  kind: 'train',
  scope: 'train',
  settings: trainSettings,
  summary: 'Train a new version of a model',
  description:
    'Reads the source twice: once for the samples and the profile, once to score every row for the threshold. When the answer comes the version is on disk and, unless `serve` is false, serving. The same seed and telemetry give the same `payload.sha256`. `GET` the address in `Location` for the document again.',
  example: {
    model: 'web',
    rows: exampleRows,
    timestamp: 'timestamp',
    label: 'label',
    detector: { type: 'isolation-forest', trees: 100, sampleSize: 256, seed: 42 },
    threshold: { contamination: 0.1 },
  },
  answers: {
    201: {
      ...answerInJson('The version document.', versionDocument, exampleVersion),
      headers: { Location: 'Where the version is.' },
    },
  },
  plan: (settings, _form, service) => async (upload, work) => {
    const document = await service().training.train(settings, upload, work)
    const location = `/models/${document.model}/versions/${document.version}`
    return jsonAnswer(201, document, { headers: { location }, isCommitted: true })
  },
})

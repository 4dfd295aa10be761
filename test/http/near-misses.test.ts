import { beforeAll, describe, expect, test } from 'vitest'
import { type HttpApp, markedRows, serveApp, smallForest, trainSmall } from './client.ts'

let app: HttpApp

beforeAll(async () => {
  app = await serveApp()
  await trainSmall(app, 'web')
})

const training = { model: 'new', rows: markedRows(), detector: smallForest }

describe('one message per mistake, with the next step in it', () => {
  test.each<[object, string]>([
    [{ entitiy: 'host' }, 'entitiy: is not a setting here (did you mean entity?).'],
    [{ time_stamp: 'ts' }, 'time_stamp: is not a setting here (did you mean timestamp?).'],
    [{ Entity: 'host' }, 'Entity: is not a setting here (did you mean entity?).'],
    [{ contamination: 0.01 }, 'contamination: is not a setting here (did you mean threshold.contamination?).'],
    [{ sample_size: 64 }, 'sample_size: is not a setting here (did you mean detector.sampleSize?).'],
    [{ nonsense: 1 }, 'nonsense: is not a setting here.'],
    [
      { threshold: { contaminaton: 0.1 } },
      'threshold.contaminaton: is not a setting here (did you mean contamination?).',
    ],
    [{ threshold: { contamination: 0.1, value: 0.5 } }, 'threshold.value: does not go with the other settings here.'],
    [{ threshold: { value: 2 } }, 'threshold.value: must be at most 1.'],
    [
      { threshold: 0.5 },
      'threshold: must be "auto", or an object such as {"contamination": …}, or an object such as {"value": …}.',
    ],
    [{ detector: { ...smallForest, tress: 9 } }, 'detector.tress: is not a setting here (did you mean trees?).'],
    [{ detector: { type: 'mahalanobis', trees: 9 } }, 'detector.trees: does not go with the other settings here.'],
    [{ detector: 'iforest' }, 'detector: must be an object such as {"type": "isolation-forest"}.'],
    [{ missing: 'Median' }, 'missing: must be "reject" or "median" or "skip" (did you mean median?).'],
    [{ window: { form: '2026-01-01T00:00:00Z' } }, 'window.form: is not a setting here (did you mean from?).'],
    [{ label: 'CPU' }, 'label: the source has no column "CPU" (did you mean cpu?).'],
    [{ features: ['cpu', 'latencies'] }, 'features: the source has no column "latencies" (did you mean latency?).'],
  ])('%j', async (more, detail) => {
    const reply = await app.post('/train', { ...training, ...more })
    expect([reply.status, reply.json()['detail']]).toEqual([422, detail])
  })

  test.each([
    ['iforest', 'isolation-forest'],
    ['isolationforest', 'isolation-forest'],
    ['knn', 'k-nearest-neighbours'],
    ['eif', 'extended-isolation-forest'],
  ])('the detector %s', async (type, meant) => {
    const detail = (await app.post('/train', { ...training, detector: { type } })).json()['detail']
    expect(detail).toMatch(new RegExp(`^detector.type: must be .* \\(did you mean ${meant}\\?\\)\\.$`))
  })

  test('every unknown setting is named, also of a query', async () => {
    const reply = await app.post('/score?retrun=all&incldue=%5B%5D', { model: 'web', rows: [] })
    expect(reply.json()['issues']).toEqual([
      { at: 'retrun', message: 'is not a setting here (did you mean return?)' },
      { at: 'incldue', message: 'is not a setting here (did you mean include?)' },
    ])
    expect((await app.get('/models?limits=3')).json()['detail']).toBe(
      'limits: is not a setting here (did you mean limit?).',
    )
  })

  test('a model and an echoed column', async () => {
    const rows = [{ cpu: 1, latency: 2 }]
    const noModel = await app.post('/score', { model: 'webb', rows })
    expect(noModel.json()['detail']).toBe('There is no model webb (did you mean web?).')
    const noColumn = await app.post('/score', { model: 'web', rows, include: ['cpuu'] })
    expect(noColumn.json()['detail']).toBe('include: the source has no column "cpuu" (did you mean cpu?).')
  })

  test.each([
    ['/scores', ' (did you mean /score?)'],
    ['/Train', ' (did you mean /train?)'],
    ['/train/', ' (did you mean /train?)'],
    ['/model/web', ' (did you mean /models/web?)'],
    ['/models/web/version/1', ' (did you mean /models/web/versions/1?)'],
    ['/nothing/of/the/kind', ''],
    [`/${'s'.repeat(5_000)}`, ''],
  ])('the address %s', async (path, meant) => {
    const reply = await app.send('POST', path, { json: {} })
    expect([reply.status, reply.json()['detail']]).toEqual([404, `There is nothing at this address${meant}.`])
  })

  test('telemetry with missing values names the rules that take it', async () => {
    const rows = markedRows(100).map((row, index) => (index % 12 === 0 ? { ...row, cpu: null } : row))
    const reply = await app.post('/train', { ...training, rows })
    expect([reply.status, reply.json()['detail']]).toEqual([422, expect.stringMatching(/median.*skip/)])
  })

  test('an answer that cannot be given lists each form once', async () => {
    const detail = (await app.post('/train', training, { accept: 'text/csv' })).json()['detail']
    expect(detail).toBe('The answer can be given as application/json.')
  })
})

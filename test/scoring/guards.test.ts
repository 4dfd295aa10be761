/** Guards over HTTP: trained with the model, on by default, named in the answer. */
import { beforeAll, describe, expect, test } from 'vitest'
import { type VersionDocument, versionDocument } from '../../src/schemas/model.ts'
import { guardsOf } from '../../src/scoring/version-plan.ts'
import { type HttpApp, serveApp } from '../http/client.ts'

interface Result {
  score: number
  isAnomaly: boolean
  reasons?: { reason: string; feature: string }[]
}

const rows = Array.from({ length: 400 }, (_, i) => ({
  cpu: 0.5 + 0.3 * Math.sin(i),
  latency: 12 + 5 * Math.sin(i * 1.7),
  errors: 0,
  at: new Date(Date.UTC(2026, 0, 1) + i * 1_800_000).toISOString(),
}))
const usual = { ...rows[7]!, at: '2026-02-01T03:00:00Z' }
const forest = { type: 'isolation-forest', seed: 1, trees: 20 }
let app: HttpApp

async function score(model: string, given: object[]): Promise<Result[]> {
  const reply = await app.post('/score', { model, rows: given })
  return reply.json<{ results: Result[] }>().results
}

beforeAll(async () => {
  app = await serveApp()
  for (const [model, settings] of [
    ['guarded', {}],
    ['bare', { guards: false }],
  ] as const)
    expect((await app.post('/train', { model, rows, detector: forest, ...settings })).status).toBe(201)
})

describe('guards', () => {
  test('stand in the version document and change neither payload nor threshold', async () => {
    const [guarded, bare] = await Promise.all(
      ['guarded', 'bare'].map(async (model) =>
        (await app.get(`/models/${model}/versions/1`)).json<{
          guards: unknown
          threshold: { value: number }
          payload: unknown
        }>(),
      ),
    )
    expect(guarded!.guards).toEqual({ level: guarded!.threshold.value })
    expect(bare!.guards).toBeNull()
    expect(guarded!.threshold).toEqual(bare!.threshold)
    expect(guarded!.payload).toEqual(bare!.payload)
  })

  test('leave rows inside the trained range alone, to the bit', async () => {
    expect(await score('guarded', rows.slice(0, 50))).toEqual(await score('bare', rows.slice(0, 50)))
  })

  test('rank values 10 and 1,000 times outside, which the forest alone cannot', async () => {
    const far = [usual, { ...usual, latency: 170 }, { ...usual, latency: 17_000 }]
    const [inside, ten, thousand] = await score('guarded', far)
    expect(inside!.reasons).toBeUndefined()
    expect(ten!.score).toBeGreaterThan(inside!.score)
    expect(thousand!.score).toBeGreaterThan(ten!.score)
    expect([ten!.isAnomaly, thousand!.isAnomaly]).toEqual([true, true])
    expect(thousand!.reasons).toEqual([{ reason: 'out_of_range', feature: 'latency' }])
    const [, bareTen, bareThousand] = await score('bare', far)
    expect(bareThousand!.score).toBe(bareTen!.score)
    expect(bareThousand!.reasons).toBeUndefined()
  })

  test('see a metric that was constant until now, which the forest alone cannot', async () => {
    const [moved] = await score('guarded', [{ ...usual, errors: 1 }])
    expect(moved).toMatchObject({ isAnomaly: true, reasons: [{ reason: 'novel_value', feature: 'errors' }] })
    const [bare] = await score('bare', [{ ...usual, errors: 1 }])
    expect(bare!.score).toBe((await score('bare', [usual]))[0]!.score)
  })

  test('do not take a new hour for a new value', async () => {
    const [row] = await score('guarded', [{ ...usual, at: '2026-02-01T03:07:11Z' }])
    expect(row!.reasons).toBeUndefined()
  })

  test('give a file the same scores and reasons', async () => {
    const text = [usual, { ...usual, latency: 170 }].map((row) => JSON.stringify(row)).join('\n')
    const headers = { 'content-type': 'application/x-ndjson', accept: 'application/x-ndjson' }
    const reply = await app.send('POST', '/score?model=guarded', { body: text, headers })
    const lines = reply.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Result)
    expect(lines.slice(0, 2)).toEqual(await score('guarded', [usual, { ...usual, latency: 170 }]))
  })

  test('are absent from a version that was made before there were any', async () => {
    const document = (await app.get('/models/guarded/versions/1')).json<VersionDocument>()
    expect(guardsOf(document)).not.toBeNull()
    const { guards: _, ...older } = document
    expect(guardsOf(versionDocument.parse(older))).toBeNull()
  })
})

import { request } from 'undici'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Evaluation } from '../../src/schemas/evaluate.ts'
import { exampleRows, startApp, type TestApp } from '../app.ts'

type Body = Record<string, unknown>
let service: TestApp
const rows: Body[] = exampleRows(600).map((row, n) => ({
  ...row,
  cpu: n >= 300 && n < 306 ? 5 : row.cpu,
  host: `web-${n % 2}`,
  label: n === 50 ? null : (n >= 300 && n < 306) || n === 599,
}))

async function post(path: string, body: Body): Promise<Body> {
  const answer = await request(`${service.url}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  return { status: answer.statusCode, ...((await answer.body.json()) as Body) }
}

beforeAll(async () => {
  service = await startApp()
  await post('/train', {
    model: 'web',
    rows,
    label: 'label',
    entity: 'host',
    detector: { type: 'isolation-forest', seed: 3 },
    threshold: { contamination: 0.02 },
  })
})

const evaluate = async (body: Body) =>
  (await post('/evaluate', { model: 'web', ...body })) as unknown as Evaluation & { status: number; code?: string }

describe('evaluating', () => {
  test('reports what the flags of the same rows add up to', async () => {
    const { results, threshold } = (await post('/score', { model: 'web', rows })) as unknown as {
      results: { isAnomaly: boolean }[]
      threshold: number
    }
    const evaluation = await evaluate({ rows })
    const count = (label: boolean, flag: boolean) =>
      rows.filter((row, index) => row['label'] === label && results[index]!.isAnomaly === flag).length
    const [tp, fp, tn, fn] = [count(true, true), count(false, true), count(false, false), count(true, false)]
    expect(tp + fp).toBeGreaterThan(0)
    expect(evaluation).toMatchObject({
      status: 200,
      model: 'web',
      version: 1,
      threshold,
      rows: 600,
      unlabelled: 1,
      unscored: 0,
      confusion: { tp, fp, tn, fn },
      precision: tp / (tp + fp),
      recall: tp / (tp + fn),
      f1: (2 * tp) / (2 * tp + fp + fn),
    })
    expect(evaluation.rocAuc).toBeGreaterThan(0.95)
    expect(evaluation.best.f1).toBeGreaterThanOrEqual(evaluation.f1)
    // Six rows of two hosts by turns: an incident each, and the last row.
    expect(evaluation.events).toMatchObject({ events: 3 })
  })

  test('puts a random score of the same flag rate beside it, the same every time', async () => {
    const [first, again] = [await evaluate({ rows }), await evaluate({ rows })]
    const { tp, fp } = first.confusion
    const random = first.random.confusion
    expect(random.tp + random.fp).toBe(tp + fp)
    expect(first.random.rocAuc).toBeGreaterThan(0.2)
    expect(first.random.rocAuc).toBeLessThan(0.8)
    expect(again.random).toEqual(first.random)
  })

  test('leaves out rows without a label or a score, and counts them', async () => {
    const some = rows.map((row, n) => ({ ...row, cpu: n < 10 ? null : row['cpu'] }))
    const { confusion, unscored, unlabelled } = await evaluate({ rows: some })
    expect({ unscored, unlabelled }).toEqual({ unscored: 10, unlabelled: 1 })
    expect(Object.values(confusion).reduce((sum, count) => sum + count)).toBe(589)
  })

  test('has no events without a timestamp', async () => {
    await post('/train', { model: 'timeless', rows: rows.map(({ cpu, label }) => ({ cpu, label })), label: 'label' })
    expect(
      (await evaluate({ model: 'timeless', rows: rows.map(({ cpu, label }) => ({ cpu, label })) })).events,
    ).toBeNull()
  })

  test.each<[string, Body, string]>([
    ['no anomaly', { rows: rows.map((row) => ({ ...row, label: false })) }, 'one_class'],
    ['nothing but anomalies', { rows: rows.map((row) => ({ ...row, label: 1 })) }, 'one_class'],
    ['no label at all', { rows: rows.map((row) => ({ ...row, label: null })) }, 'one_class'],
    ['labels that are none', { rows: rows.map((row) => ({ ...row, label: 2 })) }, 'type_mismatch'],
    ['a label column that is not there', { rows: rows.map(({ label, ...row }) => row) }, 'unknown_column'],
    ['a named label column that is not there', { rows, label: 'nope' }, 'unknown_column'],
    ['a wish for other rows', { rows, return: 'all' }, 'validation_failed'],
  ])('refuses %s', async (_, body, code) => {
    const answer = await evaluate(body)
    expect(answer).toMatchObject({ status: 422, code })
  })

  test('raises no counters', async () => {
    const metrics = async () =>
      (await (await request(`${service.url}/metrics`)).body.text()).match(
        /^deepwatch_(rows_scored|anomalies)_total.*$/gm,
      )
    const before = await metrics()
    await evaluate({ rows })
    expect(await metrics()).toEqual(before)
    expect(before!.length).toBeGreaterThan(0)
  })
})

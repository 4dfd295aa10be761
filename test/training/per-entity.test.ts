import { request } from 'undici'
import { beforeAll, describe, expect, test } from 'vitest'
import { createRandom } from '../../src/kernels/sampling/random.ts'
import { startApp, type TestApp } from '../app.ts'
import { freshFolder } from '../endings.ts'
import { type Body, csvOf, post, type Row, scoreFile, scoreRows, train, useService } from '../history/tools.ts'

let app: TestApp
beforeAll(async () => {
  app = await startApp()
  useService(app.url)
})

/** Hosts whose usual load differs: what is everyday for one never happened on another. */
const levels: Readonly<Record<string, number>> = { 'eu-1': 10, 'eu-2': 50, 'größe "3"': 90, small: 30 }

/** Rows of the hosts in turns; `small` has too few for a model of its own. */
function fleet(count = 400, hosts = Object.keys(levels)): Row[] {
  const random = createRandom(7, 1)
  const rows: Row[] = []
  for (let step = 0; step < count; step++)
    for (const host of Object.keys(levels)) {
      const [cpu, latency] = [levels[host]! + 4 * random.nextFloat(), 20 + random.nextFloat()]
      if (!hosts.includes(host) || (host === 'small' && step >= 100)) continue
      rows.push({ host, cpu, latency, errors: 0 })
    }
  return rows
}
const rows = fleet()
const settings = { rows, entity: 'host', perEntity: true }

const scoresOf = (results: readonly { score: number | null }[]) => results.map(({ score }) => score)

describe('a model per entity', () => {
  test('tells apart what is usual for one host and never happened on another', async () => {
    const version = await train('fleet', settings)
    expect(version.perEntity).toMatchObject({
      ...{ entities: 3, others: 1, leastRows: 256, names: ['eu-1', 'eu-2', 'größe "3"'], namesLeftOut: 0 },
    })
    const { total, mean, most } = version.perEntity!.bytes
    expect(most).toBeGreaterThanOrEqual(mean)
    expect(total).toBeGreaterThanOrEqual(3 * mean - 3)
    expect(version.payload.bytes).toBeGreaterThan(total)
    await train('single', { rows, entity: 'host' })
    // The load of eu-2 on eu-1: within the range of all rows, far outside that of the host.
    const moved = [{ host: 'eu-1', cpu: 52, latency: 20.5, errors: 0 }]
    expect((await scoreRows('single', moved))[0]).toMatchObject({ isAnomaly: false })
    expect((await scoreRows('fleet', moved))[0]).toMatchObject({
      ...{ isAnomaly: true, reasons: [{ reason: 'out_of_range', feature: 'cpu' }] },
    })
    // The same load where it is usual, and on hosts without a model, is nothing.
    for (const host of ['eu-2', 'small', 'never seen', null])
      expect((await scoreRows('fleet', [{ ...moved[0], host }]))[0]).toMatchObject({ isAnomaly: false })
  })

  test('gives a row the same score from a file, alone, and among others', async () => {
    const strange = [
      { host: null, cpu: 52, latency: 20.5, errors: 0 },
      { host: 'never seen', cpu: 52, latency: 20.5, errors: 1 },
      { host: 'größe "3"', cpu: 11, latency: 25, errors: 0 },
    ]
    const judged = [...strange, ...rows.slice(0, 120), ...strange]
    const file = scoresOf(await scoreFile('fleet', judged))
    expect(scoresOf(await scoreRows('fleet', judged))).toEqual(file)
    expect(file.slice(0, 3)).toEqual(file.slice(-3))
    const alone = await Promise.all(judged.slice(0, 20).map((row) => scoreRows('fleet', [row])))
    expect(scoresOf(alone.flat())).toEqual(file.slice(0, 20))
  })

  test('learns a host from its own rows alone, in whatever format they come', async () => {
    await train('two', { ...settings, rows: fleet(400, ['eu-1', 'eu-2']) })
    const own = rows.filter(({ host }) => host === 'eu-1')
    expect(scoresOf(await scoreRows('two', own))).toEqual(scoresOf(await scoreRows('fleet', own)))
    const { model: _, ...query } = { model: '', entity: 'host', perEntity: 'true' }
    const detector = JSON.stringify({ type: 'isolation-forest', seed: 1, trees: 20 })
    const asked = new URLSearchParams({ model: 'fleet-csv', detector, ...query })
    const csv = await post(`/train?${asked}`, csvOf(rows), 'text/csv')
    const json = await train('fleet-json', settings)
    expect((csv.body['payload'] as Body)['sha256']).toBe(json.payload.sha256)
  })

  test('knows a score of the shared model by the plain model of the same rows', async () => {
    const shared = [{ host: 'never seen', cpu: 52, latency: 20.5, errors: 0 }]
    expect(scoresOf(await scoreRows('fleet', shared))).toEqual(scoresOf(await scoreRows('single', shared)))
  })

  test('watches a metric that never moved on this host, whatever it does on others', async () => {
    const noisy = rows.map((row) => ({ ...row, errors: row['host'] === 'eu-2' ? Number(row['cpu']) % 3 : 0 }))
    await train('watched', { ...settings, rows: noisy })
    const [quiet, busy] = await scoreRows('watched', [
      { host: 'eu-1', cpu: 12, latency: 20.5, errors: 1 },
      { host: 'eu-2', cpu: 52, latency: 20.5, errors: 1 },
    ])
    expect(quiet).toMatchObject({ isAnomaly: true, reasons: [{ reason: 'novel_value', feature: 'errors' }] })
    expect(busy).toMatchObject({ isAnomaly: false })
  })

  test('is scored by the shared model where nothing of a host varies, and any change is told', async () => {
    const still = rows.map((row) => (row['host'] === 'eu-1' ? { ...row, cpu: 10, latency: 20 } : row))
    const version = await train('still', { ...settings, rows: still })
    expect(version.perEntity).toMatchObject({ entities: 3 })
    const answers = await scoreRows('still', [
      { host: 'eu-1', cpu: 10, latency: 20, errors: 0 },
      { host: 'eu-1', cpu: 11, latency: 20, errors: 0 },
    ])
    expect(answers[0]).not.toHaveProperty('reasons')
    expect(answers[1]).toMatchObject({ isAnomaly: true, reasons: [{ reason: 'novel_value', feature: 'cpu' }] })
  })

  test.each([
    ['mahalanobis', {}],
    ['extended-isolation-forest', { trees: 20 }],
    ['k-nearest-neighbours', {}],
    ['ensemble', { members: ['isolation-forest', 'mahalanobis'] }],
    ['auto', {}],
  ])('works with the detector %s', async (type, more) => {
    const version = await train(`with-${type}`, { ...settings, detector: { type, seed: 3, ...more } })
    expect(version.perEntity).toMatchObject({ entities: 3 })
    const [usual, strange] = await scoreRows(`with-${type}`, [
      { host: 'eu-2', cpu: 52, latency: 20.5, errors: 0 },
      { host: 'eu-2', cpu: 12, latency: 20.5, errors: 0 },
    ])
    expect(strange!.score!).toBeGreaterThan(usual!.score!)
    expect(strange).toMatchObject({ isAnomaly: true })
  })

  test('fills what is missing, keeps the history of each host, and smooths, all as without it', async () => {
    const gaps = rows.map((row, index) => {
      const ts = new Date(Date.UTC(2026, 0, 1) + index * 1000).toISOString()
      return { ts, ...row, latency: index % 40 === 3 ? null : row['latency']! }
    })
    const features = ['cpu', 'latency', { column: 'cpu', derive: 'rollingMean', window: 4 }]
    await train('all', { ...settings, rows: gaps, features, missing: 'median', smoothing: { window: 3 } })
    const file = scoresOf(await scoreFile('all', gaps.slice(0, 200)))
    expect(scoresOf(await scoreRows('all', gaps.slice(0, 200)))).toEqual(file)
    expect(file.filter((score) => score === null).length).toBeLessThan(20)
    const windowed = await post('/score', {
      ...{ model: 'all', rows: gaps.slice(0, 80), return: 'all' },
      window: { from: gaps[40]!.ts },
    })
    expect(windowed.body['rows']).toBe(40)
    expect((windowed.body['results'] as Body[])[0]).toMatchObject({ row: 40 })
  })

  test('comes back after a restart with the same scores', async () => {
    const home = await freshFolder()
    const first = await startApp({ DEEPWATCH_HOME: home })
    await train('kept', settings, first.url)
    const before = scoresOf(await scoreRows('kept', rows.slice(0, 50), first.url))
    await first.stop()
    const second = await startApp({ DEEPWATCH_HOME: home })
    expect(scoresOf(await scoreRows('kept', rows.slice(0, 50), second.url))).toEqual(before)
  })

  test('shows the trees of a host, of the shared model, and says whose there are none', async () => {
    const tree = async (query: string, index = 0) => {
      const answer = await request(`${app.url}/models/fleet/versions/1/trees/${index}${query}`)
      return { status: answer.statusCode, body: (await answer.body.json()) as Body }
    }
    const shared = await tree('')
    const own = await tree('?entity=eu-1')
    expect(shared.status).toBe(200)
    expect(shared.body['entity']).toBeUndefined()
    expect(own.body).toMatchObject({ entity: 'eu-1', index: 0 })
    expect(own.body['nodes']).not.toEqual(shared.body['nodes'])
    expect((own.body['nodes'] as Body[])[0]!['size']).toBe(256)
    expect(await tree('?entity=small')).toMatchObject({ status: 404, body: { code: 'entity_not_found' } })
    expect(await tree('?entity=eu-1', 20)).toMatchObject({ status: 404, body: { code: 'tree_not_found' } })
    const single = await request(`${app.url}/models/single/versions/1/trees/0?entity=eu-1`)
    expect(single.statusCode).toBe(404)
    expect(await single.body.json()).toMatchObject({ code: 'entity_not_found' })
  })
})

describe('what a model per entity refuses', () => {
  test.each([
    ['no entity', { rows, perEntity: true }, 'validation_failed'],
    ['an entity column of times', { csv: `cpu,host\n${'1,2026-01-01\n'.repeat(3)}` }, 'insufficient_data'],
    ['nobody with enough rows', { ...settings, rows: rows.slice(0, 700) }, 'insufficient_data'],
  ])('%s', async (_, body, code) => {
    const { csv } = body as { csv?: string }
    const answer = csv
      ? await post('/train?model=refused&entity=host&perEntity=true', csv, 'text/csv')
      : await post('/train', { model: 'refused', ...body })
    expect(answer).toMatchObject({ status: 422, body: { code } })
  })

  test('more entities than the settings allow, and models that take more than they may', async () => {
    const tight = await startApp({ DEEPWATCH_MAX_ENTITIES: '3', DEEPWATCH_CACHE_BYTES: '1MiB' })
    const many = await post('/train', { model: 'many', ...settings }, undefined, tight.url)
    expect(many).toMatchObject({ status: 422, body: { code: 'too_many_entities', limit: 3 } })
    const few = { ...settings, rows: rows.filter(({ host }) => host !== 'small') }
    const detector = { type: 'isolation-forest', trees: 1000 }
    const large = await post('/train', { model: 'large', ...few, detector }, undefined, tight.url)
    expect(large).toMatchObject({ status: 422, body: { code: 'training_too_large', entities: 3 } })
    const models = await request(`${tight.url}/models`)
    expect(await models.body.json()).toMatchObject({ models: [] })
  })
})

import { createHash } from 'node:crypto'
import { readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { freshFolder } from '../endings.ts'
import { type HttpApp, markedRows, outcome, serveApp, smallForest, trainSmall } from './client.ts'
import { heldRows, holdAnswer } from './wire.ts'

let app: HttpApp
const row = { cpu: 0.1, latency: 12 }

beforeAll(async () => {
  app = await serveApp()
})

const score = async (model: string) =>
  (await app.post('/score', { model, rows: [row] })).json<Record<string, unknown>>()
const put = (model: string, version: number) => app.send('PUT', `/models/${model}/serving`, { json: { version } })
const remove = async (path: string) => outcome(await app.send('DELETE', path))

describe('row 96: what is not there', () => {
  const cases: [string, string, unknown, string][] = [
    ['GET', '/models/none', undefined, '404 model_not_found'],
    ['GET', '/models/none/versions/1', undefined, '404 model_not_found'],
    ['GET', '/models/none/versions/1/trees/0', undefined, '404 model_not_found'],
    ['PUT', '/models/none/serving', { version: 1 }, '404 model_not_found'],
    ['DELETE', '/models/none', undefined, '404 model_not_found'],
    ['DELETE', '/models/none/versions/1', undefined, '404 model_not_found'],
    ['POST', '/score', { model: 'none', rows: [row] }, '404 model_not_found'],
    ['POST', '/score', { model: 'none@1', rows: [row] }, '404 model_not_found'],
    ['POST', '/score', { model: 'there@9', rows: [row] }, '404 version_not_found'],
    ['POST', '/score', { model: 'there@0', rows: [row] }, '400 invalid_id'],
    ['POST', '/score', { model: 'there@', rows: [row] }, '400 invalid_id'],
    ['POST', '/score', { model: 'there@1@1', rows: [row] }, '400 invalid_id'],
    ['GET', '/models/there/versions/9', undefined, '404 version_not_found'],
    ['GET', '/models/there/versions/1/trees/10', undefined, '404 tree_not_found'],
    ['PUT', '/models/there/serving', { version: 9 }, '404 version_not_found'],
    ['DELETE', '/models/there/versions/9', undefined, '404 version_not_found'],
  ]
  test('is 404 with its own code, whatever is asked', async () => {
    await trainSmall(app, 'there')
    for (const [method, path, json, expected] of cases)
      expect(outcome(await app.send(method, path, { json })), `${method} ${path}`).toBe(expected)
  })
})

describe('versions', () => {
  test('row 97: training a name again makes the next version, which serves at once, unless told otherwise', async () => {
    const first = await app.post('/train', { model: 'again', rows: markedRows(), detector: smallForest })
    expect([outcome(first), first.headers['location']]).toEqual(['201', '/models/again/versions/1'])
    await trainSmall(app, 'again')
    expect(await score('again')).toMatchObject({ version: 2 })
    await trainSmall(app, 'again', { serve: false })
    expect(await score('again')).toMatchObject({ version: 2 })
    expect((await app.get('/models/again')).json()).toMatchObject({ versions: [1, 2, 3], newest: 3, serving: 2 })
    expect(await score('again@3')).toMatchObject({ version: 3 })
    expect((await app.get('/models/again/versions/3')).json()).toMatchObject({ serving: false })
  })

  test('a roll back is one call and gives the old scores to the bit', async () => {
    await trainSmall(app, 'roll')
    const before = await score('roll')
    await trainSmall(app, 'roll', { detector: { ...smallForest, seed: 8 } })
    expect((await score('roll'))['results']).not.toEqual(before['results'])
    expect((await put('roll', 1)).json()).toMatchObject({ name: 'roll', serving: 1, newest: 2 })
    expect(await score('roll')).toEqual(before)
    await trainSmall(app, 'roll')
    expect(await score('roll')).toMatchObject({ version: 3 })
  })

  test('row 105: two trainings of one name at once are two versions', async () => {
    const train = (seed: number) =>
      app.post('/train', { model: 'twice', rows: markedRows(), detector: { ...smallForest, seed } })
    const replies = await Promise.all([train(1), train(2), train(3), train(4)])
    const versions = replies.map((reply) => reply.json<{ version: number; payload: { sha256: string } }>())
    expect(versions.map(({ version }) => version).sort()).toEqual([1, 2, 3, 4])
    for (const { version, payload } of versions)
      expect((await app.get(`/models/twice/versions/${version}`)).json()).toMatchObject({ version, payload })
  })

  test('the same seed and rows give the same payload, and without a seed the one that was used is told', async () => {
    const [one, two] = [await trainSmall(app, 'seeded'), await trainSmall(app, 'seeded')]
    expect(one['payload']).toEqual(two['payload'])
    const drawn = await trainSmall(app, 'seeded', { detector: { type: 'isolation-forest', trees: 10 } })
    const { effective } = drawn['detector'] as { effective: Record<string, unknown> }
    const again = await trainSmall(app, 'seeded', {
      detector: { type: 'isolation-forest', trees: 10, seed: effective['seed'] },
    })
    expect(again['payload']).toEqual(drawn['payload'])
  })

  test('a tree is shown node by node in feature names', async () => {
    await trainSmall(app, 'shown')
    const { nodes } = (await app.get('/models/shown/versions/1/trees/9')).json<{ nodes: Record<string, unknown>[] }>()
    expect(nodes[0]).toMatchObject({ id: 0, depth: 0, size: 32, left: 1 })
    for (const node of nodes)
      expect('feature' in node ? ['cpu', 'latency'].includes(String(node['feature'])) : 'pathLength' in node).toBe(true)
  })

  test('the list is by name, in pages', async () => {
    for (const name of ['page-b', 'page-a', 'page-c']) await trainSmall(app, name)
    const first = (await app.get('/models?after=page-&limit=2')).json<{
      models: { name: string }[]
      next: string | null
    }>()
    expect(first.models.map(({ name }) => name)).toEqual(['page-a', 'page-b'])
    const rest = (await app.get(`/models?after=${first.next}&limit=9999`)).json<typeof first>()
    expect(rest.models[0]).toMatchObject({ name: 'page-c', newest: 1, serving: 1 })
    expect(rest.next).toBeNull()
  })
})

describe('deleting', () => {
  test('row 104: a second time it is 404', async () => {
    await trainSmall(app, 'gone')
    expect(await remove('/models/gone')).toBe('204')
    expect(await remove('/models/gone')).toBe('404 model_not_found')
    expect(outcome(await app.post('/score', { model: 'gone', rows: [row] }))).toBe('404 model_not_found')
    expect(await readdir(join(app.home, 'models'))).not.toContain('gone')
  })

  test('of the serving version lets the newest left serve, of the last one removes the model', async () => {
    for (let version = 1; version <= 3; version++) await trainSmall(app, 'less')
    expect(await remove('/models/less/versions/3')).toBe('204')
    expect(await score('less')).toMatchObject({ version: 2 })
    expect(await remove('/models/less/versions/1')).toBe('204')
    expect(await remove('/models/less/versions/1')).toBe('404 version_not_found')
    expect(await remove('/models/less/versions/2')).toBe('204')
    expect(outcome(await app.get('/models/less'))).toBe('404 model_not_found')
  })

  test('row 103: an answer under way is completed by its version, later it is 404', async () => {
    await trainSmall(app, 'busy')
    const answer = await holdAnswer(app.url, 'busy')
    expect(await remove('/models/busy')).toBe('204')
    expect(outcome(await app.get('/models/busy'))).toBe('404 model_not_found')
    const text = await answer.rest()
    expect(text).toContain('deepwatch-model: busy@1')
    expect(text).toContain(`{"summary":{"model":"busy","version":1,`)
    expect(text).toContain(`"rows":${heldRows},`)
    expect(text.match(/"isAnomaly":/g)).toHaveLength(heldRows)
    expect(outcome(await app.post('/score', { model: 'busy', rows: [row] }))).toBe('404 model_not_found')
  })

  test('and retraining while scoring never mixes versions and never fails', async () => {
    await trainSmall(app, 'mixed')
    const seen = new Set<number>()
    const known = new Map<number, unknown>()
    const write = async () => {
      for (let seed = 0; seed < 6; seed++) {
        const { version } = await trainSmall(app, 'mixed', { detector: { ...smallForest, seed } })
        if (seed % 2) expect(await remove(`/models/mixed/versions/${String(version)}`)).toBe('204')
      }
    }
    let writing = true
    const read = async () => {
      while (writing) {
        const { version, results, threshold } = await score('mixed')
        const answer = JSON.stringify([results, threshold])
        expect(known.get(version as number) ?? answer).toBe(answer)
        known.set(version as number, answer)
        seen.add(version as number)
      }
    }
    const readers = [read(), read(), read()]
    await write().finally(() => {
      writing = false
    })
    await Promise.all(readers)
    expect(seen.size).toBeGreaterThan(1)
  })
})

describe('stored models', () => {
  /** Starts a service on the home of another one, after `spoil` had its way with the files of the models. */
  async function restarted(
    spoil: (models: string) => Promise<void>,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<HttpApp> {
    const home = await freshFolder()
    const before = await serveApp({ DEEPWATCH_HOME: home })
    for (const name of ['good', 'bad']) await trainSmall(before, name)
    await before.stop()
    await spoil(join(home, 'models'))
    return serveApp({ DEEPWATCH_HOME: home, ...settings })
  }

  const artefactOf = async (models: string, name: string) => {
    const folder = join(models, name)
    const file = (await readdir(folder)).find((entry) => entry.includes('1') && !entry.endsWith('.json'))
    return join(folder, file!)
  }

  async function edit(path: string, change: (bytes: Buffer) => void): Promise<void> {
    const bytes = await readFile(path)
    change(bytes)
    await writeFile(path, bytes)
  }

  const spoilers: [number, string, (bytes: Buffer) => void, string][] = [
    [107, 'damaged', damaged, '503 model_corrupt'],
    [108, 'of a newer format', newer, '503 model_version_unsupported'],
  ]
  for (const [number, what, spoil, expected] of spoilers) {
    test(`row ${number}: one that is ${what} answers ${expected}, is named by /readyz, and the others serve`, async () => {
      const app = await restarted(async (models) => edit(await artefactOf(models, 'bad'), spoil))
      expect(outcome(await app.post('/score', { model: 'good', rows: [row] }))).toBe('200')
      expect(outcome(await app.post('/score', { model: 'bad', rows: [row] }))).toBe(expected)
      expect(outcome(await app.get('/models/bad/versions/1'))).toBe(expected)
      expect(outcome(await app.get('/models/bad/versions/1/trees/0'))).toBe(expected)
      expect((await app.get('/readyz')).json()).toMatchObject({
        status: 'ready',
        quarantined: [{ model: 'bad', version: 1, code: expected.slice(4) }],
      })
      expect((await app.get('/models/bad')).json()).toMatchObject({ quarantined: [1] })
      expect(await trainSmall(app, 'bad')).toMatchObject({ version: 2 })
      expect(outcome(await app.post('/score', { model: 'bad', rows: [row] }))).toBe('200')
    })
  }

  test('rows and scores survive a restart', async () => {
    const app = await restarted(async () => {})
    expect((await app.get('/models')).json()).toMatchObject({ models: [{ name: 'bad' }, { name: 'good' }] })
    expect((await app.get('/readyz')).json()).toEqual({ status: 'ready', models: 2, versions: 2, quarantined: [] })
  })

  test('row 109: a full registry answers 507, deletes nothing, and takes more once there is room', async () => {
    const app = await restarted(async () => {}, { DEEPWATCH_MAX_MODELS: '2' })
    const train = () => app.post('/train', { model: 'third', rows: markedRows(), detector: smallForest })
    expect(outcome(await train())).toBe('507 registry_full')
    expect((await app.get('/readyz')).json()).toMatchObject({ models: 2, versions: 2 })
    expect(outcome(await app.post('/score', { model: 'good', rows: [row] }))).toBe('200')
    await app.send('DELETE', '/models/bad')
    expect(outcome(await train())).toBe('201')
  })
})

/** One bit in the middle is another. */
function damaged(bytes: Buffer): void {
  const middle = bytes.length >> 1
  bytes.writeUInt8(bytes.readUInt8(middle) ^ 1, middle)
}

/** An artefact of format 2 with a checksum that is right. */
function newer(bytes: Buffer): void {
  bytes.writeUInt32LE(2, 8)
  createHash('sha256')
    .update(bytes.subarray(0, -32))
    .digest()
    .copy(bytes, bytes.length - 32)
}

import { copyFile, mkdir, readdir, readFile, rename, rm, unlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { encodeArtefact } from '../../src/registry/artefact.ts'
import { codeOf, failureOf, makeHome, openAt, save } from './tools.ts'

/** A home with web@1, web@2 (serving), db@1. */
async function fill(): Promise<{ home: string; models: string; file: (name: string, version: number) => string }> {
  const home = await makeHome()
  const { registry } = await openAt(home)
  for (const name of ['web', 'web', 'db']) await save(registry, name)
  const models = join(home, 'models')
  return { home, models, file: (name, version) => join(models, name, `0000000${version}.dwm`) }
}

async function flip(path: string, at = -40): Promise<void> {
  const bytes = await readFile(path)
  bytes[(at + bytes.length) % bytes.length]! ^= 4
  await writeFile(path, bytes)
}

async function writeNewer(path: string): Promise<void> {
  const bytes = await readFile(path)
  bytes.writeUInt32LE(2, 8)
  const { createHash } = await import('node:crypto')
  createHash('sha256')
    .update(bytes.subarray(0, -32))
    .digest()
    .copy(bytes, bytes.length - 32)
  await writeFile(path, bytes)
}

const damages: [string, string, (path: string) => Promise<void>][] = [
  ['one bit changed', 'model_corrupt', flip],
  ['its end cut off', 'model_corrupt', async (path) => writeFile(path, (await readFile(path)).subarray(0, -1))],
  ['nothing in it', 'model_corrupt', (path) => writeFile(path, '')],
  ['another model in it', 'model_corrupt', (path) => copyFile(join(path, '../../db/00000001.dwm'), path)],
  ['another version in it', 'model_corrupt', (path) => copyFile(join(path, '../00000001.dwm'), path)],
  ['a newer format', 'model_version_unsupported', writeNewer],
]

describe('an artefact found at start with', () => {
  for (const [name, code, damage] of damages) {
    test(`${name} is quarantined in place and named, and the others serve`, async () => {
      const { home, models, file } = await fill()
      await damage(file('web', 2))
      const before = await readFile(file('web', 2))
      const { registry, lines } = await openAt(home)
      expect(registry.quarantined()).toEqual([{ model: 'web', version: 2, code }])
      expect(lines).toHaveLength(1)
      expect(lines[0]).toMatchObject({ level: 'error', facts: { quarantined: registry.quarantined() } })
      for (const reference of ['web@1', 'db']) expect(await codeOf(() => registry.resolve(reference))).toBe('done')
      for (const reference of ['web', 'web@2']) {
        const error = await failureOf(() => registry.resolve(reference))
        expect(error).toMatchObject({ code, status: 503, facts: { model: 'web', version: 2 } })
        expect(error.message).not.toContain(models)
      }
      expect(await codeOf(() => registry.document('web', 2))).toBe(code)
      expect(await codeOf(() => registry.setServing('web', 2))).toBe(code)
      expect(registry.get('web')).toMatchObject({ versions: [1, 2], quarantined: [2], newest: 2, serving: 2 })
      expect((await readFile(file('web', 2))).equals(before)).toBe(true)
      expect(registry.size).toMatchObject({ models: 2, versions: 2, quarantined: 1 })
    })
  }

  test('damage gives way to a choice, to the next training or to its deletion, and its number never comes again', async () => {
    for (const repair of ['choose', 'train', 'remove'] as const) {
      const { home, file } = await fill()
      await flip(file('web', 2))
      const { registry } = await openAt(home)
      if (repair === 'choose') await registry.setServing('web', 1)
      else if (repair === 'remove') await registry.removeVersion('web', 2)
      expect((await save(registry, 'web', { serve: repair === 'train' })).version).toBe(3)
      const served = repair === 'train' ? 3 : 1
      for (const each of [registry, (await openAt(home)).registry]) {
        expect((await each.resolve('web')).version).toBe(served)
      }
    }
  })

  test('a model of damaged versions alone still takes up its name and can be deleted', async () => {
    const { home, file } = await fill()
    await flip(file('db', 1))
    const { registry } = await openAt(home, { maxModels: 2 })
    expect(registry.list().models.map(({ name }) => name)).toEqual(['db', 'web'])
    expect(registry.get('db').createdAt).toMatch(/^20\d\d-.*Z$/)
    expect(await codeOf(() => registry.checkRoom('new'))).toBe('registry_full')
    await registry.removeModel('db')
    expect(registry.quarantined()).toEqual([])
  })

  test('a document this software refuses counts as damaged', async () => {
    const { home } = await fill()
    const readDocument = (value: unknown) => {
      const document = value as { model: string; version: number; tag: string }
      if (document.model === 'db') throw new TypeError('not a document')
      return { ...document, tag: 'lifted' }
    }
    const { registry } = await openAt(home, { readDocument })
    expect(registry.quarantined()).toEqual([{ model: 'db', version: 1, code: 'model_corrupt' }])
    expect(registry.document('web', 1).tag).toBe('lifted')
  })
})

describe('an artefact found on a cache miss', () => {
  const later: typeof damages = [
    ...damages.filter(([name]) => name !== 'a newer format'),
    ['been deleted by hand', 'model_corrupt', unlink],
    [
      'been replaced by a sound file',
      'model_corrupt',
      async (path) => {
        const header = { model: 'web', version: 2, serve: true, createdAt: new Date().toISOString(), document: {} }
        await writeFile(path, Buffer.concat((await encodeArtefact(header, new Uint8Array(9))).chunks))
      },
    ],
  ]
  for (const [name, code, damage] of later) {
    test(`with ${name} is quarantined then, once, and the others serve`, async () => {
      const { home, file } = await fill()
      const { registry, lines } = await openAt(home)
      await damage(file('web', 2))
      const codes = await Promise.all(Array.from({ length: 10 }, () => codeOf(() => registry.resolve('web'))))
      expect(new Set(codes)).toEqual(new Set([code]))
      expect(registry.quarantined()).toEqual([{ model: 'web', version: 2, code }])
      expect(lines).toHaveLength(1)
      expect(await codeOf(() => registry.resolve('web@1'))).toBe('done')
      expect((await save(registry, 'web')).version).toBe(3)
      expect((await registry.resolve('web')).version).toBe(3)
    })
  }

  test('that cannot be read for want of rights is not called damaged, and answers again after', async () => {
    const { home, file } = await fill()
    const { registry } = await openAt(home)
    const path = file('web', 2)
    await rename(path, `${path}.aside`)
    await mkdir(path)
    expect(await codeOf(() => registry.resolve('web'))).toBe('storage_error')
    await rm(path, { recursive: true })
    await rename(`${path}.aside`, path)
    expect(await codeOf(() => registry.resolve('web'))).toBe('done')
    expect(registry.quarantined()).toEqual([])
  })
})

describe('a damaged choice of the serving version', () => {
  for (const [name, text] of [
    ['empty', ''],
    ['cut short', '{"state":{"format":1,"serv'],
    ['null', 'null'],
    ['changed by hand', null],
  ] as const) {
    test(`(${name}) stops answers without a version until somebody chooses, and nothing else`, async () => {
      const { home, models } = await fill()
      const first = (await openAt(home)).registry
      await save(first, 'web', { serve: false })
      await first.setServing('web', 1)
      const path = join(models, 'web', 'state.json')
      await writeFile(path, text ?? (await readFile(path, 'utf8')).replace('"serving":1', '"serving":3'))
      const { registry } = await openAt(home)
      expect(registry.quarantined()).toEqual([{ model: 'web', version: null, code: 'model_corrupt' }])
      expect(registry.get('web').serving).toBeNull()
      expect(await codeOf(() => registry.resolve('web'))).toBe('model_corrupt')
      for (const reference of ['web@1', 'web@2', 'web@3', 'db']) {
        expect(await codeOf(() => registry.resolve(reference))).toBe('done')
      }
      await registry.setServing('web', 2)
      expect(registry.quarantined()).toEqual([])
      expect((await (await openAt(home)).registry.resolve('web')).version).toBe(2)
    })
  }

  test('is over with the next version trained to serve', async () => {
    const { home, models } = await fill()
    await (await openAt(home)).registry.setServing('web', 1)
    await writeFile(join(models, 'web', 'state.json'), '')
    const { registry } = await openAt(home)
    await save(registry, 'web')
    expect(registry.quarantined()).toEqual([])
    for (const each of [registry, (await openAt(home)).registry]) {
      expect((await each.resolve('web')).version).toBe(3)
    }
  })

  test('left behind without versions does not touch the next model of that name', async () => {
    const { home, models } = await fill()
    await (await openAt(home)).registry.setServing('web', 2)
    for (const version of [1, 2]) await unlink(join(models, 'web', `0000000${version}.dwm`))
    const { registry } = await openAt(home)
    expect(await readdir(models)).toEqual(['db'])
    await save(registry, 'web')
    expect((await (await openAt(home)).registry.resolve('web')).version).toBe(1)
  })
})

import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { realDisk } from '../../src/storage/durable-files.ts'
import {
  codeOf,
  failureOf,
  makeHome,
  openAt,
  payloadOf,
  save,
  type TestRegistry,
  versionOf,
  watchDisk,
} from './tools.ts'

const badNames = [
  '',
  '.',
  '..',
  'Web',
  'web/x',
  '../web',
  'web\0',
  'web.',
  '-web',
  '_web',
  'wéb',
  'a'.repeat(64),
  'web ',
  'web\n',
  '😀',
  '__proto__',
]

describe('names', () => {
  for (const name of badNames) {
    test(`${JSON.stringify(name.slice(0, 20))} is refused everywhere and touches no file`, async () => {
      const home = await makeHome()
      const { registry } = await openAt(home)
      const actions = [
        () => save(registry, name),
        () => registry.get(name),
        () => registry.document(name, 1),
        () => registry.resolve(name),
        () => registry.setServing(name, 1),
        () => registry.removeModel(name),
        () => registry.removeVersion(name, 1),
        () => registry.checkRoom(name),
      ]
      for (const action of actions) expect(await codeOf(action)).toBe('invalid_id')
      expect(await readdir(join(home, 'models'))).toEqual([])
    })
  }

  for (const name of ['a', '0', 'a'.repeat(63), 'con', 'constructor', 'prototype', 'lock', 'a_-9']) {
    test(`${name.slice(0, 20)} is a name`, async () => {
      const home = await makeHome()
      const { registry } = await openAt(home)
      await save(registry, name)
      expect((await (await openAt(home)).registry.resolve(`${name}@1`)).document.model).toBe(name)
    })
  }

  for (const reference of [
    'web@',
    'web@0',
    'web@01',
    'web@-1',
    'web@1.0',
    'web@1e3',
    'web@latest',
    'web@1@1',
    '@1',
    'web@9999999999999999',
  ]) {
    test(`${reference} is no reference`, async () => {
      const { registry } = await openAt(await makeHome())
      await save(registry, 'web')
      expect(await codeOf(() => registry.resolve(reference))).toBe('invalid_id')
    })
  }

  test('an unknown model and an unknown version have their own codes', async () => {
    const { registry } = await openAt(await makeHome())
    await save(registry, 'web')
    expect(await codeOf(() => registry.resolve('db'))).toBe('model_not_found')
    expect(await codeOf(() => registry.resolve('web@2'))).toBe('version_not_found')
    expect(await codeOf(() => registry.document('web', 2))).toBe('version_not_found')
    expect(await codeOf(() => registry.setServing('web', 2))).toBe('version_not_found')
    expect(await codeOf(() => registry.removeVersion('web', 2))).toBe('version_not_found')
    expect(await codeOf(() => registry.removeModel('db'))).toBe('model_not_found')
  })
})

describe('a saved version', () => {
  test('comes back after a restart as it was, frozen to its depths', async () => {
    const home = await makeHome()
    const { registry } = await openAt(home)
    const deep = { model: 'web', version: 1, tag: 'x', list: [{ a: [1, -0, 1e-320] }], undefined: undefined }
    const document = await registry.add('web', () => ({ document: deep, payload: payloadOf('web', 1) }), {
      serve: true,
    })
    deep.list[0]!.a[0] = 99
    const again = (await openAt(home)).registry
    for (const read of [document, registry.document('web', 1), again.document('web', 1)]) {
      expect(read).toEqual({ model: 'web', version: 1, tag: 'x', list: [{ a: [1, 0, 1e-320] }] })
      expect(() => ((read as unknown as typeof deep).list[0]!.a[0] = 5)).toThrow(TypeError)
    }
    const [mine, theirs] = [await registry.resolve('web'), await again.resolve('web')]
    expect(new Uint8Array(theirs.payload)).toEqual(new Uint8Array(payloadOf('web', 1)))
    expect(theirs.payload).toBeInstanceOf(SharedArrayBuffer)
    expect(theirs.digest).toBe(mine.digest)
    expect(again.get('web')).toEqual(registry.get('web'))
  })

  test('is not changed by what becomes of the bytes it was made from', async () => {
    const { registry } = await openAt(await makeHome())
    const payload = payloadOf('web', 1)
    const saving = registry.add('web', (version) => ({ ...versionOf('web', version), payload }), { serve: true })
    await saving
    payload.fill(0)
    expect(new Uint8Array((await registry.resolve('web')).payload)).toEqual(new Uint8Array(payloadOf('web', 1)))
  })

  test('knows its number and time when it is built', async () => {
    const { registry } = await openAt(await makeHome())
    let told: unknown[] = []
    const build = (version: number, createdAt: string) => {
      told = [version, createdAt]
      return versionOf('web', version)
    }
    await registry.add('web', build, { serve: true })
    expect(told).toEqual([1, registry.get('web').createdAt])
  })

  test('that cannot be built is not saved, gives its error back and leaves its number to the next', async () => {
    const home = await makeHome()
    const { registry } = await openAt(home)
    const failing = registry.add('web', () => Promise.reject(new RangeError('no')), { serve: true })
    await expect(failing).rejects.toThrow(RangeError)
    expect(await readdir(join(home, 'models'))).toEqual([])
    expect((await save(registry, 'web')).version).toBe(1)
  })

  test('of a document that this software would not read back is not saved', async () => {
    const home = await makeHome()
    const readDocument = () => {
      throw new TypeError('not a document')
    }
    const { registry } = await openAt(home, { readDocument })
    await expect(save(registry, 'web')).rejects.toThrow(TypeError)
    expect(await readdir(join(home, 'models'))).toEqual([])
  })

  test('is refused when the registry is closing', async () => {
    const { registry } = await openAt(await makeHome())
    const underWay = save(registry, 'web')
    const closing = registry.close()
    expect(await codeOf(() => save(registry, 'db'))).toBe('shutting_down')
    await closing
    expect((await underWay).version).toBe(1)
    expect(registry.get('web').versions).toEqual([1])
  })
})

describe('several at once', () => {
  test('trainings of one name give one version each, in order, never a mix', async () => {
    const home = await makeHome()
    const { registry } = await openAt(home)
    const tags = Array.from({ length: 20 }, (_, index) => `t${index}`)
    const documents = await Promise.all(tags.map((tag) => save(registry, 'web', { tag })))
    expect(documents.map(({ version }) => version)).toEqual(tags.map((_, index) => index + 1))
    const again = (await openAt(home)).registry
    for (const { version, tag } of documents) {
      const handle = await again.resolve(`web@${version}`)
      expect(handle.document.tag).toBe(tag)
      expect(new Uint8Array(handle.payload)).toEqual(new Uint8Array(payloadOf('web', version, tag)))
    }
  })

  test('a failed training does not stop those behind it', async () => {
    const { registry } = await openAt(await makeHome())
    const first = registry.add('web', () => Promise.reject(new RangeError('no')), { serve: true })
    const second = save(registry, 'web')
    await expect(first).rejects.toThrow(RangeError)
    expect((await second).version).toBe(1)
  })

  test('answers come from exactly one version while versions are saved, chosen and deleted', async () => {
    // A cache of nothing, so that every answer reads the file and meets every race with its deletion.
    const { registry } = await openAt(await makeHome(), { cacheBytes: 0 })
    await save(registry, 'web', { bytes: 5_000 })
    let changing = true
    const change = (async () => {
      for (let round = 0; round < 40; round++) {
        const { version } = await save(registry, 'web', { tag: `r${round}`, bytes: 5_000 })
        if (round % 5 === 4) await registry.removeModel('web')
        else if (round % 3 === 0) await registry.removeVersion('web', version - (version > 1 ? 1 : 0))
        else await registry.setServing('web', version)
      }
      changing = false
    })()
    const outcomes = new Map<string, number>()
    const ask = async (reference: string) => {
      while (changing) {
        const outcome = await codeOf(async () => {
          const { document, version, payload } = await registry.resolve(reference)
          expect(document.version).toBe(version)
          expect(Buffer.compare(Buffer.from(payload), payloadOf('web', version, document.tag, 5_000))).toBe(0)
        })
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
        await setImmediate()
      }
    }
    await Promise.all([change, ask('web'), ask('web'), ask('web@1'), ask('web@2')])
    expect(
      [...outcomes.keys()].filter((code) => !['done', 'model_not_found', 'version_not_found'].includes(code)),
    ).toEqual([])
    expect(outcomes.get('done')).toBeGreaterThan(40)
    expect(registry.quarantined()).toEqual([])
  })

  test('an answer that meets the file already deleted waits and gives what is true then', async () => {
    const home = await makeHome()
    const asked: Promise<string>[] = []
    // Between the removal of a file and its acknowledgement somebody asks, and is given time to fail.
    const askMeanwhile = async () => {
      asked.push(...['web', 'web@2'].map((reference) => codeOf(() => registry.resolve(reference))))
      for (let turn = 0; turn < 50; turn++) await setImmediate()
    }
    const disk = {
      ...realDisk,
      unlink: (path: string) => realDisk.unlink(path).then(askMeanwhile),
      rename: (from: string, to: string) =>
        realDisk.rename(from, to).then(to.includes('trash') ? askMeanwhile : undefined),
    }
    const { registry } = await openAt(home, { cacheBytes: 0, disk })
    for (let version = 1; version <= 3; version++) await save(registry, 'web')
    await registry.setServing('web', 2)
    await registry.removeVersion('web', 2)
    expect(await Promise.all(asked)).toEqual(['done', 'version_not_found'])
    expect(registry.get('web')).toMatchObject({ versions: [1, 3], serving: 3 })
    asked.length = 0
    await registry.removeModel('web')
    expect(await Promise.all(asked)).toEqual(['model_not_found', 'version_not_found'])
    expect(registry.quarantined()).toEqual([])
  })

  test('a payload whose version is deleted while it is read answers and is not kept', async () => {
    const home = await makeHome()
    const first = (await openAt(home)).registry
    for (let version = 1; version <= 2; version++) await save(first, 'web', { bytes: 8_000_000 })
    const { registry } = await openAt(home, { cacheBytes: 100_000_000 })
    const [handle] = await Promise.all([registry.resolve('web@2'), registry.removeVersion('web', 2)])
    expect(handle.payload.byteLength).toBe(8_000_000)
    expect(registry.size.cachedBytes).toBe(0)
  })

  test('a handle keeps answering after its version and its model are gone', async () => {
    const home = await makeHome()
    const { registry } = await openAt(home, { cacheBytes: 0 })
    await save(registry, 'web')
    const handle = await registry.resolve('web')
    await registry.removeModel('web')
    await save(registry, 'web', { tag: 'again' })
    expect(new Uint8Array(handle.payload)).toEqual(new Uint8Array(payloadOf('web', 1)))
    expect(handle.document.tag).toBe('')
    const next = await registry.resolve('web@1')
    expect(next.document.tag).toBe('again')
    expect(next.digest).not.toBe(handle.digest)
  })
})

/** The meaning of the words, as plainly as it can be said. */
class PlainModel {
  versions: number[] = []
  serving: number | null = null
  last = 0

  add(serve: boolean): void {
    this.versions.push(++this.last)
    if (serve) this.serving = this.last
  }

  remove(version: number): void {
    this.versions = this.versions.filter((other) => other !== version)
    if (this.versions.length === 0) Object.assign(this, new PlainModel())
    else if (this.serving === version) this.serving = this.versions.at(-1)!
  }
}

function compare(registry: TestRegistry, plain: PlainModel): void {
  if (plain.versions.length === 0) {
    expect(registry.size.models).toBe(0)
    return
  }
  const { versions, newest, serving, quarantined } = registry.get('web')
  expect({ versions, newest, serving, quarantined }).toEqual({
    versions: plain.versions,
    newest: plain.versions.at(-1),
    serving: plain.serving,
    quarantined: [],
  })
}

describe('which version serves', () => {
  test('regression: a version saved after the choice, not to serve, takes over when the chosen one is deleted', async () => {
    const home = await makeHome()
    const { registry } = await openAt(home)
    await save(registry, 'web', { serve: false })
    await registry.setServing('web', 1)
    await save(registry, 'web', { serve: false })
    await registry.removeVersion('web', 1)
    expect(registry.get('web').serving).toBe(2)
    expect((await openAt(home)).registry.get('web').serving).toBe(2)
  })

  test('follows saves, choices and deletions, across restarts, and no number comes twice', async () => {
    const step = fc.oneof(
      fc.record({ do: fc.constant('add' as const), serve: fc.boolean() }),
      fc.record({ do: fc.constantFrom('choose' as const, 'remove' as const, 'remove' as const), which: fc.nat(9) }),
      fc.record({ do: fc.constantFrom('reopen' as const, 'reopen' as const, 'drop' as const) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 14 }), async (steps) => {
        const home = await makeHome()
        let { registry } = await openAt(home)
        let plain = new PlainModel()
        for (const step of steps) {
          const version = 'which' in step ? plain.versions[step.which % Math.max(1, plain.versions.length)] : undefined
          if (step.do === 'add') {
            const document = await save(registry, 'web', { serve: step.serve })
            plain.add(step.serve)
            expect(document.version).toBe(plain.last)
          } else if (step.do === 'reopen') ({ registry } = await openAt(home))
          else if (step.do === 'drop' && plain.versions.length > 0) {
            await registry.removeModel('web')
            plain = new PlainModel()
          } else if (step.do === 'choose' && version !== undefined) {
            expect((await registry.setServing('web', version)).serving).toBe(version)
            plain.serving = version
          } else if (step.do === 'remove' && version !== undefined) {
            await registry.removeVersion('web', version)
            plain.remove(version)
          }
          compare(registry, plain)
        }
        compare((await openAt(home)).registry, plain)
      }),
      { numRuns: 60 },
    )
  }, 30_000)

  test('is nobody for a model saved only to wait, and says so', async () => {
    const { registry } = await openAt(await makeHome())
    await save(registry, 'web', { serve: false })
    expect(registry.get('web').serving).toBeNull()
    const error = await failureOf(() => registry.resolve('web'))
    expect([error.code, error.message]).toEqual([
      'version_not_found',
      'No version of the model web serves; name one, or choose one to serve.',
    ])
    expect((await registry.resolve('web@1')).version).toBe(1)
  })
})

describe('expiring', () => {
  test('keeps the newest, and whatever serves, is held or damaged', async () => {
    const home = await makeHome()
    const first = (await openAt(home)).registry
    for (let left = 8; left > 0; left--) await save(first, 'web')
    await first.setServing('web', 2)
    await writeFile(join(home, 'models', 'web', '00000004.dwm'), 'damaged')
    const { registry } = await openAt(home)
    const release = registry.hold('web', 3)
    expect(await registry.expire('web', 2)).toEqual([1, 5, 6])
    expect(registry.get('web')).toMatchObject({ versions: [2, 3, 4, 7, 8], serving: 2, quarantined: [4] })
    release()
    release()
    registry.hold('web', 99)()
    expect(await registry.expire('web', 2)).toEqual([3])
    expect(await registry.expire('none', 2)).toEqual([])
    expect((await openAt(home)).registry.get('web')).toMatchObject({ versions: [2, 4, 7, 8], serving: 2 })
  })

  test('leaves what the disk does not let go, logs it, and goes on with the next call', async () => {
    const home = await makeHome()
    let isBroken = true
    const disk = watchDisk(home, ({ name, path }) => {
      if (isBroken && name === 'unlink' && path.endsWith('2.dwm')) throw Object.assign(new Error('no'), { code: 'EIO' })
    })
    const { registry, lines } = await openAt(home, { disk })
    for (let left = 4; left > 0; left--) await save(registry, 'web')
    expect(await registry.expire('web', 1)).toEqual([1])
    expect(lines).toMatchObject([{ level: 'error', facts: { model: 'web', code: 'storage_error' } }])
    isBroken = false
    expect(await registry.expire('web', 1)).toEqual([2, 3])
    expect(registry.get('web').versions).toEqual([4])
  })
})

describe('deleting', () => {
  test('takes the files away, the last version its model too', async () => {
    const home = await makeHome()
    const { registry } = await openAt(home)
    await save(registry, 'web')
    await save(registry, 'web')
    await registry.removeVersion('web', 2)
    expect((await readdir(join(home, 'models', 'web'))).sort()).toEqual(['00000001.dwm', 'state.json'])
    await registry.removeVersion('web', 1)
    expect(await readdir(join(home, 'models'))).toEqual([])
    expect(await codeOf(() => registry.get('web'))).toBe('model_not_found')
    expect(await codeOf(() => registry.removeModel('web'))).toBe('model_not_found')
    expect(registry.size).toEqual({ models: 0, versions: 0, quarantined: 0, cachedPayloads: 0, cachedBytes: 0 })
  })

  test('twice at once answers once with done and once with not found', async () => {
    const { registry } = await openAt(await makeHome())
    await save(registry, 'web')
    const codes = await Promise.all([1, 2].map(() => codeOf(() => registry.removeModel('web'))))
    expect(codes).toEqual(['done', 'model_not_found'])
  })
})

describe('the list', () => {
  test('is in order of names and comes in pages that survive changes between them', async () => {
    const { registry } = await openAt(await makeHome())
    for (const name of ['b', 'a-1', 'c', 'a', 'a_1', '0']) await save(registry, name)
    expect(registry.list().models.map(({ name }) => name)).toEqual(['0', 'a', 'a-1', 'a_1', 'b', 'c'])
    const first = registry.list({ limit: 4 })
    expect([first.models.length, first.next]).toEqual([4, 'a_1'])
    await registry.removeModel('a_1')
    const second = registry.list({ after: first.next!, limit: 4 })
    expect([second.models.map(({ name }) => name), second.next]).toEqual([['b', 'c'], null])
    expect(registry.list({ after: 'zzz' })).toEqual({ models: [], next: null })
    expect(registry.list({ limit: 5 }).next).toBeNull()
  })
})

describe('the bound on models', () => {
  test('refuses one more, naming the one trained longest ago, and deletes nothing', async () => {
    const home = await makeHome()
    const { registry } = await openAt(home, { maxModels: 2 })
    await save(registry, 'first')
    await save(registry, 'second')
    await expect.poll(() => new Date().toISOString() > registry.get('second').updatedAt).toBe(true)
    await save(registry, 'first')
    const error = await failureOf(() => save(registry, 'third'))
    expect(error).toMatchObject({ code: 'registry_full', status: 507, facts: { limit: 2, oldest: 'second' } })
    expect(await codeOf(() => registry.checkRoom('third'))).toBe('registry_full')
    expect(await readdir(join(home, 'models'))).toEqual(['first', 'second'])
    await registry.removeModel('second')
    expect((await save(registry, 'third')).version).toBe(1)
  })

  test('holds for names that come at the same time', async () => {
    const { registry } = await openAt(await makeHome(), { maxModels: 3 })
    const names = Array.from({ length: 10 }, (_, index) => `m${index}`)
    const codes = await Promise.all(names.map((name) => codeOf(() => save(registry, name))))
    expect(codes.filter((code) => code === 'done')).toHaveLength(3)
    expect(codes.filter((code) => code === 'registry_full')).toHaveLength(7)
    expect(registry.size.models).toBe(3)
  })
})

describe('payloads in memory', () => {
  test('stay within the bound, the ones not used going first', async () => {
    const { registry } = await openAt(await makeHome(), { cacheBytes: 350 })
    for (const name of ['a', 'b', 'c']) await save(registry, name)
    const a = (await registry.resolve('a')).payload
    await save(registry, 'd')
    expect(registry.size).toMatchObject({ cachedPayloads: 3, cachedBytes: 300 })
    expect((await registry.resolve('a')).payload).toBe(a)
    const b = await registry.resolve('b')
    expect((await registry.resolve('b')).payload).toBe(b.payload)
    expect(registry.size.cachedBytes).toBe(300)
  })

  test('are read once for all who ask at the same time', async () => {
    const home = await makeHome()
    await save((await openAt(home)).registry, 'web')
    const { registry } = await openAt(home)
    expect(registry.size.cachedPayloads).toBe(0)
    const handles = await Promise.all(Array.from({ length: 50 }, () => registry.resolve('web')))
    expect(new Set(handles.map(({ payload }) => payload)).size).toBe(1)
  })

  test('larger than the bound answer and are not kept', async () => {
    const { registry } = await openAt(await makeHome(), { cacheBytes: 50 })
    await save(registry, 'web')
    expect((await registry.resolve('web')).payload.byteLength).toBe(100)
    expect(registry.size.cachedBytes).toBe(0)
  })
})

describe('the start', () => {
  test('leaves foreign entries alone, says so once, and sweeps what a killed process left', async () => {
    const home = await makeHome()
    const first = (await openAt(home)).registry
    await save(first, 'web')
    const models = join(home, 'models')
    await mkdir(join(models, '.trash-0011223344556677', 'deep'), { recursive: true })
    await writeFile(join(models, '.trash-0011223344556677', '00000001.dwm'), 'x')
    await writeFile(join(models, 'web', '.tmp-0011223344556677'), 'x')
    await mkdir(join(models, 'half-made'))
    await writeFile(join(models, 'half-made', '.tmp-8899aabbccddeeff'), 'x')
    const foreign = [
      'README',
      'Foreign Folder',
      'web/notes.txt',
      'web/1.dwm',
      'web/00000000.dwm',
      'web/000000007.dwm',
      'web/.tmp-x',
      'odd/x',
    ]
    for (const path of foreign) {
      if (path.includes('Folder')) await mkdir(join(models, path))
      else {
        await mkdir(join(models, path, '..'), { recursive: true })
        await writeFile(join(models, path), 'x')
      }
    }
    await symlink(join(models, 'web'), join(models, 'link'))
    const { registry, lines } = await openAt(home)
    expect(registry.list().models.map(({ name, versions }) => [name, versions])).toEqual([['web', [1]]])
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatchObject({ level: 'warn', facts: { entries: foreign.length + 1 } })
    expect((await readdir(models)).sort()).toEqual(['Foreign Folder', 'README', 'link', 'odd', 'web'])
    expect((await readdir(join(models, 'web'))).sort()).toEqual(
      ['.tmp-x', '00000000.dwm', '000000007.dwm', '00000001.dwm', '1.dwm', 'notes.txt'].sort(),
    )
    expect((await save(registry, 'odd')).version).toBe(1)
    expect((await save(registry, 'half-made')).version).toBe(1)
  })

  test('with 100 models of 100 kB takes no two seconds', async () => {
    const home = await makeHome()
    const { registry } = await openAt(home)
    await Promise.all(Array.from({ length: 100 }, (_, index) => save(registry, `m${index}`, { bytes: 100_000 })))
    const started = performance.now()
    const again = (await openAt(home)).registry
    expect(performance.now() - started).toBeLessThan(2_000)
    expect(again.size).toMatchObject({ models: 100, versions: 100, quarantined: 0 })
  })
})

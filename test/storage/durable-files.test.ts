import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { storageFailure } from '../../src/storage/durable-files.ts'
import { codeOf, type DiskCall, makeHome, openAt, save, type TestRegistry, watchDisk } from '../registry/tools.ts'

/** A call with the random part of names left out. */
function show({ name, path, to }: DiskCall): string {
  const text = [name, path, ...(to === undefined ? [] : ['->', to])].join(' ')
  return text.replaceAll(/\.(tmp|trash)-[0-9a-f]{16}/g, '.$1')
}

/** Every file and folder below `models`. */
async function entries(home: string): Promise<string[]> {
  return (await readdir(join(home, 'models'), { recursive: true })).sort()
}

describe('the order of calls', () => {
  test('is: write and sync, rename, sync the folders, acknowledge', async () => {
    const home = await makeHome()
    const calls: string[] = []
    const disk = watchDisk(home, (call) => {
      calls.push(show(call))
    })
    const { registry } = await openAt(home, { disk })
    const during = async (action: () => Promise<unknown>) => {
      calls.length = 0
      await action()
      return [...calls]
    }
    const put = (name: string) => ['writeSynced web/.tmp', `rename web/.tmp -> web/${name}`, 'syncFolder web']
    expect(await during(() => save(registry, 'web'))).toEqual(['makeFolder web', ...put('00000001.dwm'), 'syncFolder '])
    expect(await during(() => save(registry, 'web'))).toEqual(put('00000002.dwm'))
    expect(await during(() => registry.setServing('web', 1))).toEqual(put('state.json'))
    const unlinked = (version: number) => [`unlink web/0000000${version}.dwm`, 'syncFolder web']
    expect(await during(() => registry.removeVersion('web', 2))).toEqual(unlinked(2))
    for (let version = 3; version <= 5; version++) await save(registry, 'web')
    // The files would not tell that 5 had been given, or had served, but they do tell it of 4.
    expect(await during(() => registry.removeVersion('web', 4))).toEqual(unlinked(4))
    expect(await during(() => registry.removeVersion('web', 5))).toEqual([...put('state.json'), ...unlinked(5)])
    expect(await during(() => registry.removeModel('web'))).toEqual([
      'rename web -> .trash',
      'syncFolder ',
      'removeTree .trash',
    ])
  })
})

const actions: [string, (registry: TestRegistry) => Promise<unknown>, number][] = [
  ['the first save of a model', (registry) => save(registry, 'new'), 5],
  ['a save', (registry) => save(registry, 'web'), 3],
  ['a choice', (registry) => registry.setServing('web', 1), 3],
  ['the deletion of a version', (registry) => registry.removeVersion('web', 3), 5],
  ['the deletion of a model', (registry) => registry.removeModel('db'), 2],
]
const failures = [
  ['ENOSPC', 'storage_full'],
  ['EIO', 'storage_error'],
] as const

describe('when the disk fails', () => {
  for (const [errno, code] of failures) {
    for (const [name, action, count] of actions) {
      for (let failing = 0; failing < count; failing++) {
        const place = `at call ${failing + 1} of ${count} of ${name}`
        test(`with ${errno} ${place}, it is ${code}, nothing is half done, and the next attempt succeeds`, async () => {
          const home = await makeHome()
          const calls: DiskCall[] = []
          let left = Number.POSITIVE_INFINITY
          const disk = watchDisk(home, (call) => {
            calls.push(call)
            if (left-- === 0) throw Object.assign(new Error(`${errno}: failed, open '/secret'`), { code: errno })
          })
          const { registry, lines } = await openAt(home, { disk })
          for (const model of ['web', 'web', 'web', 'db']) await save(registry, model)
          const before = registry.list().models
          calls.length = 0
          left = failing
          const error = await action(registry).catch((failure: unknown) => failure as Error)
          expect(error).toMatchObject({ code })
          expect(`${(error as Error).message} ${JSON.stringify(lines)}`).not.toContain('secret')
          expect(lines.at(-1)).toMatchObject({ level: 'error', facts: { code, reason: errno } })
          // A file whose sync failed is not synced again, and nothing of it is left.
          const written = calls.filter((call) => call.name === 'writeSynced').map(({ path }) => path)
          expect(new Set(written).size).toBe(written.length)
          expect((await entries(home)).filter((path) => path.includes('.tmp') || path.startsWith('new'))).toEqual([])
          // A removal whose last sync failed has happened all the same; all else is as it was.
          const isRemoved = name.startsWith('the deletion') && failing === count - 1
          if (!isRemoved) expect(registry.list().models).toEqual(before)
          expect(await codeOf(() => registry.resolve('web'))).toBe('done')
          left = Number.POSITIVE_INFINITY
          expect(await codeOf(() => action(registry))).toMatch(isRemoved ? /_not_found$/ : /^done$/)
          expect((await openAt(home)).registry.list().models).toEqual(registry.list().models)
        })
      }
    }
  }

  test('an unknown reason is a storage error, a full quota a full storage, and our own errors pass', () => {
    const failed = (code: string) => storageFailure(Object.assign(new Error('x'), { code })).code
    expect(['EDQUOT', 'ENOSPC', 'EIO', 'EROFS', 'EACCES', 'EMFILE', ''].map(failed)).toEqual([
      ...Array(2).fill('storage_full'),
      ...Array(5).fill('storage_error'),
    ])
    const own = storageFailure('not even an error')
    expect(own.code).toBe('storage_error')
    expect(storageFailure(own)).toBe(own)
  })
})

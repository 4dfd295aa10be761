import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type DiskCall, makeHome, openAt, save, type TestRegistry, watchDisk } from './tools.ts'

/** A folder as the disk may show it after a power cut. */
interface Folder {
  /** Entries (name to id) at the last sync. */
  synced: Map<string, string>
  /** Entries that running processes see. */
  now: Map<string, string>
  /** Changes since the last sync; null removes. One call is one change, so a rename is never half done. */
  changes: (readonly (readonly [name: string, id: string | null])[])[]
}

/**
 * A disk in memory that forgets: a file keeps its content once it was synced; a folder keeps the entries of
 * its last sync, and of the changes since any may have been written or not.
 */
class ForgetfulDisk {
  readonly #files = new Map<string, readonly Uint8Array[]>()
  readonly #folders = new Map<string, Folder>([['', emptyFolder()]])
  #ids = 0

  apply({ name, path, to = '', chunks = [] }: DiskCall): void {
    const [folder, entry] = this.#find(path)
    if (name === 'makeFolder') {
      const id = `folder ${++this.#ids}`
      this.#folders.set(id, emptyFolder())
      change(folder, [[entry, id]])
    } else if (name === 'writeSynced') {
      const id = `file ${++this.#ids}`
      this.#files.set(id, chunks)
      change(folder, [[entry, id]])
    } else if (name === 'rename') {
      const [target, newEntry] = this.#find(to)
      expect(target).toBe(folder)
      change(folder, [
        [newEntry, folder.now.get(entry)!],
        [entry, null],
      ])
    } else if (name === 'syncFolder') {
      const synced = path === '' ? folder : this.#folders.get(folder.now.get(entry)!)!
      synced.synced = new Map(synced.now)
      synced.changes = []
    } else change(folder, [[entry, null]])
  }

  /** The folder an entry is in, and the entry's name there. */
  #find(path: string): [Folder, string] {
    const root = this.#folders.get('')!
    const [first = '', second] = path.split('/')
    return second === undefined ? [root, first] : [this.#folders.get(root.now.get(first)!)!, second]
  }

  /**
   * Writes every state that a cut now may leave below a new home each: none of the changes since the syncs
   * survives, all do, one alone does, or all but one.
   */
  async *cuts(): AsyncGenerator<string> {
    const survives: ((folder: string, index: number) => boolean)[] = [() => false, () => true]
    for (const [id, { changes }] of this.#folders) {
      changes.forEach((_, index) => {
        survives.push((folder, at) => folder === id && at === index)
        survives.push((folder, at) => folder !== id || at !== index)
      })
    }
    for (const choose of survives) {
      const home = await makeHome()
      await this.#lay(join(home, 'models'), '', choose)
      yield home
    }
  }

  async #lay(path: string, id: string, survives: (folder: string, index: number) => boolean): Promise<void> {
    await mkdir(path)
    const { synced, changes } = this.#folders.get(id)!
    const entries = new Map(synced)
    changes.forEach((entry, index) => {
      if (survives(id, index)) set(entries, entry)
    })
    for (const [name, target] of entries) {
      const chunks = this.#files.get(target)
      if (chunks === undefined) await this.#lay(join(path, name), target, survives)
      else await writeFile(join(path, name), Buffer.concat(chunks))
    }
  }
}

function emptyFolder(): Folder {
  return { synced: new Map(), now: new Map(), changes: [] }
}

function change(folder: Folder, entries: readonly (readonly [string, string | null])[]): void {
  set(folder.now, entries)
  folder.changes.push(entries)
}

function set(entries: Map<string, string>, changes: readonly (readonly [string, string | null])[]): void {
  for (const [name, id] of changes) {
    if (id === null) entries.delete(name)
    else entries.set(name, id)
  }
}

/** What there is to say about a model, or that there is none. */
function stateOf(registry: TestRegistry, name: string): string {
  const found = registry.list().models.find((model) => model.name === name)
  return found === undefined ? 'none' : JSON.stringify([found.versions, found.serving])
}

test('a power cut at any call loses nothing acknowledged and leaves nothing damaged', async () => {
  const home = await makeHome()
  const forgetful = new ForgetfulDisk()
  const acknowledged = new Map<string, string>()
  let underWay = ''
  let between = new Set<string>()
  let cuts = 0

  const check = async () => {
    for await (const after of forgetful.cuts()) {
      const { registry } = await openAt(after)
      expect(registry.quarantined()).toEqual([])
      for (const { name } of registry.list().models) expect([...acknowledged.keys(), underWay]).toContain(name)
      for (const [name, state] of acknowledged) if (name !== underWay) expect(stateOf(registry, name)).toBe(state)
      between.add(stateOf(registry, underWay))
      cuts++
    }
  }
  const disk = watchDisk(home, async (call) => {
    forgetful.apply(call)
    await check()
  })
  const { registry } = await openAt(home, { disk })
  const during = async (name: string, action: () => Promise<unknown>) => {
    underWay = name
    between = new Set()
    const before = stateOf(registry, name)
    await action()
    const after = stateOf(registry, name)
    expect([...between].filter((state) => state !== before && state !== after)).toEqual([])
    expect(between).toContain(after)
    underWay = ''
    acknowledged.set(name, after)
    await check()
  }

  await during('web', () => save(registry, 'web'))
  await during('db', () => save(registry, 'db'))
  await during('web', () => save(registry, 'web'))
  await during('web', () => save(registry, 'web', { serve: false }))
  await during('web', () => registry.setServing('web', 1))
  await during('web', () => save(registry, 'web'))
  await during('web', () => registry.removeVersion('web', 4))
  await during('web', () => registry.removeVersion('web', 1))
  await during('db', () => registry.removeModel('db'))
  await during('db', () => save(registry, 'db'))
  await during('db', () => registry.removeVersion('db', 1))
  await during('web', () => save(registry, 'web'))
  await during('web', () => registry.expire('web', 2))
  expect(Object.fromEntries(acknowledged)).toEqual({ web: '[[3,5],5]', db: 'none' })
  expect(cuts).toBeGreaterThan(100)
}, 30_000)

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'
import { onTestFinished } from 'vitest'
import { DeepWatchError } from '../../src/errors.ts'
import { type NewVersion, openRegistry, type Registry, type RegistryOptions } from '../../src/registry/registry.ts'
import { type Disk, realDisk } from '../../src/storage/durable-files.ts'

/** What the tests save: enough to tell every version of every life of every model from all others. */
export interface TestDocument {
  readonly model: string
  readonly version: number
  readonly tag: string
}

export type TestRegistry = Registry<TestDocument>

export interface LogLine {
  readonly level: 'info' | 'warn' | 'error'
  readonly facts: object
  readonly message: string
}

/** A state folder that goes when the test ends. */
export async function makeHome(): Promise<string> {
  const home = await mkdtemp(join(tmpdir(), 'deepwatch-registry-'))
  onTestFinished(() => rm(home, { recursive: true, force: true }))
  return home
}

export async function openAt(
  home: string,
  options: Partial<RegistryOptions<TestDocument>> = {},
): Promise<{ registry: TestRegistry; lines: LogLine[] }> {
  const lines: LogLine[] = []
  const say = (level: LogLine['level']) => (facts: object, message: string) => {
    lines.push({ level, facts, message })
  }
  const log = { info: say('info'), warn: say('warn'), error: say('error') }
  const registry = await openRegistry<TestDocument>({ home, cacheBytes: 1_000_000, maxModels: 1_000, log, ...options })
  return { registry, lines }
}

/** A version whose payload says whose it is. */
export function versionOf(model: string, version: number, tag = '', bytes = 100): NewVersion<TestDocument> {
  return { document: { model, version, tag }, payload: payloadOf(model, version, tag, bytes) }
}

export function payloadOf(model: string, version: number, tag = '', bytes = 100): Uint8Array {
  const text = `${model}@${version} ${tag};`
  return Buffer.from(text.repeat(Math.ceil(bytes / text.length))).subarray(0, bytes)
}

export async function save(
  registry: TestRegistry,
  name: string,
  { serve = true, tag = '', bytes = 100 } = {},
): Promise<TestDocument> {
  return await registry.add(name, (version) => versionOf(name, version, tag, bytes), { serve })
}

/** The code of the refusal, or 'done'. */
export async function codeOf(action: () => unknown): Promise<string> {
  try {
    await action()
    return 'done'
  } catch (error) {
    if (error instanceof DeepWatchError) return error.code
    throw error
  }
}

export async function failureOf(action: () => unknown): Promise<DeepWatchError> {
  try {
    await action()
  } catch (error) {
    if (error instanceof DeepWatchError) return error
    throw error
  }
  throw new Error('it did not fail')
}

/** A call that changes the disk; paths are below `models`. */
export interface DiskCall {
  readonly name: keyof Disk
  readonly path: string
  /** Of a rename. */
  readonly to?: string
  /** Of a file being written. */
  readonly chunks?: readonly Uint8Array[]
}

/** The real disk, with a look at every call below `models` before it is made; a look that throws is a disk that fails. */
export function watchDisk(home: string, look: (call: DiskCall) => void | Promise<void>): Disk {
  const below = (path: string) => relative(join(home, 'models'), path)
  const see = async (name: keyof Disk, path: string, more: { to?: string; chunks?: readonly Uint8Array[] } = {}) => {
    if (path !== home) await look({ name, path: below(path), ...more })
  }
  return {
    async makeFolder(path) {
      if (below(path) !== '') await see('makeFolder', path)
      return await realDisk.makeFolder(path)
    },
    async writeSynced(path, chunks) {
      const copies: Uint8Array[] = []
      for await (const chunk of chunks) copies.push(chunk.slice())
      await see('writeSynced', path, { chunks: copies })
      await realDisk.writeSynced(path, copies)
    },
    async rename(from, to) {
      await see('rename', from, { to: below(to) })
      await realDisk.rename(from, to)
    },
    async syncFolder(path) {
      await see('syncFolder', path)
      await realDisk.syncFolder(path)
    },
    async unlink(path) {
      await see('unlink', path)
      await realDisk.unlink(path)
    },
    async removeFolder(path) {
      await see('removeFolder', path)
      await realDisk.removeFolder(path)
    },
    async removeTree(path) {
      await see('removeTree', path)
      await realDisk.removeTree(path)
    },
  }
}

import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { DeepWatchError, type ErrorCode } from '../errors.ts'
import { createGate, type Gate } from '../flow.ts'
import { shareBytes } from '../kernels/index.ts'
import { didYouMean } from '../nearest.ts'
import { modelNamePattern } from '../schemas/index.ts'
import { type Disk, errorCode, putInPlace, realDisk, storageFailure, tryTo } from '../storage/index.ts'
import { encodeArtefact } from './artefact.ts'
import { PayloadCache } from './payload-cache.ts'
import {
  artefactName,
  chooseServing,
  deepFreeze,
  expiredVersions,
  findVersion,
  loadModel,
  type Model,
  type ModelSummary,
  needsRecord,
  newModel,
  readVersion,
  type ServingState,
  servingVersion,
  summarise,
  trashName,
  usableVersion,
  type Version,
  writeState,
} from './stored-models.ts'

/** Artefacts read at once, at start and on cache misses together. */
const READS_AT_ONCE = 8
const REFERENCE = /^([^@]*)(?:@([1-9]\d{0,14}))?$/

export interface RegistryOptions<Document extends object> {
  /** The state folder (DEEPWATCH_HOME); models live in `<home>/models`. The caller holds its lock. */
  readonly home: string
  /** Bytes that cached payloads may take together. Payloads of handles in use are not counted. */
  readonly cacheBytes: number
  /** Names the registry may hold; one more answers 'registry_full'. */
  readonly maxModels: number
  readonly log: Record<'warn' | 'error', (facts: object, message: string) => void>
  /** Checks and lifts a document that was read; what it throws quarantines the version. Default: taken as it is. */
  readonly readDocument?: (value: unknown) => Document
  /** The calls that change the folder; tests let them fail. Default: the real ones. */
  readonly disk?: Disk
}

/** One version in use. It stays valid when the version is replaced or deleted. */
export interface ModelHandle<Document extends object = Readonly<Record<string, unknown>>> {
  readonly name: string
  readonly version: number
  /** Deep-frozen, exactly what a restart would read. */
  readonly document: Document
  /** The detector's bytes over shared memory. Shared by all holders: never written to. */
  readonly payload: SharedArrayBuffer
  /** SHA-256 of the artefact, hex. Unlike `name@version` it never comes again, so caches key on it. */
  readonly digest: string
}

export interface NewVersion<Document extends object> {
  readonly document: Document
  /** Copied before `add` returns. */
  readonly payload: Uint8Array
}

/** Makes a version once its number and creation time (RFC 3339) are known. */
export type BuildVersion<Document extends object> = (
  version: number,
  createdAt: string,
) => NewVersion<Document> | Promise<NewVersion<Document>>

/** Opens the registry below `<home>/models`; what is damaged is in quarantine then. Throws 'storage_error'. */
export async function openRegistry<Document extends object = Readonly<Record<string, unknown>>>(
  options: RegistryOptions<Document>,
): Promise<Registry<Document>> {
  const registry = new Registry<Document>(options)
  try {
    await registry.load(options.home)
  } catch (error) {
    throw storageFailure(error)
  }
  return registry
}

/** All models and versions: in memory what is asked for often, on disk what a restart needs. */
export class Registry<Document extends object = Readonly<Record<string, unknown>>> {
  readonly #options: RegistryOptions<Document>
  readonly #disk: Disk
  readonly #root: string
  readonly #models = new Map<string, Model<Document>>()
  readonly #cache: PayloadCache
  /** The last change queued per name, never rejecting: changes of one name run one after the other. */
  readonly #queues = new Map<string, Promise<void>>()
  /** New names on their way in, counted against the bound. */
  readonly #arriving = new Set<string>()
  readonly #reads: Gate = createGate(READS_AT_ONCE, Number.POSITIVE_INFINITY)
  /** Names in order; null after a name came or went. */
  #sorted: readonly string[] | null = null
  #closing = false

  constructor(options: RegistryOptions<Document>) {
    this.#options = options
    this.#disk = options.disk ?? realDisk
    this.#root = join(options.home, 'models')
    this.#cache = new PayloadCache(options.cacheBytes)
  }

  async load(home: string): Promise<void> {
    const { log } = this.#options
    if (await this.#disk.makeFolder(this.#root)) await this.#disk.syncFolder(home)
    const accept = (value: unknown) => this.#accept(value)
    const found = await Promise.all(
      (await readdir(this.#root, { withFileTypes: true })).map(async (entry) => {
        if (entry.isDirectory() && modelNamePattern.test(entry.name))
          return await loadModel(this.#root, entry.name, this.#disk, this.#reads, accept)
        if (!trashName.test(entry.name)) return { model: null, foreign: 1 }
        await this.#sweep(entry.name)
        return { model: null, foreign: 0 }
      }),
    )
    for (const { model } of found) if (model !== null) this.#models.set(model.name, model)
    const entries = found.reduce((sum, { foreign }) => sum + foreign, 0)
    if (entries > 0) log.warn({ entries }, 'the models folder holds entries that are not ours; they are left alone')
    const quarantined = this.quarantined()
    if (quarantined.length > 0) log.error({ quarantined }, 'stored models cannot be used')
  }

  /** A document that was in a file. Throws 'model_corrupt'. */
  #accept(value: unknown): Document {
    try {
      return this.#read(value)
    } catch (error) {
      const detail = 'The stored model is damaged. Its document is not valid.'
      throw new DeepWatchError('model_corrupt', detail, { cause: error })
    }
  }

  #read(value: unknown): Document {
    const { readDocument } = this.#options
    return deepFreeze(readDocument === undefined ? (value as Document) : readDocument(value))
  }

  /** `versions` counts the usable ones. */
  get size() {
    let versions = 0
    for (const model of this.#models.values())
      for (const { damage } of model.versions.values()) if (damage === null) versions++
    const { size: cachedPayloads, calculatedSize: cachedBytes } = this.#cache
    const quarantined = this.quarantined().length
    return { models: this.#models.size, versions, quarantined, cachedPayloads, cachedBytes }
  }

  /** Models by name, from the first after `after`; `next` is the `after` of the next page or null. */
  list(page: { after?: string | undefined; limit?: number | undefined } = {}) {
    const names = this.#names()
    const { after, limit = names.length } = page
    const found = after === undefined ? 0 : names.findIndex((name) => name > after)
    const start = found === -1 ? names.length : found
    const models = names.slice(start, start + limit).map((name) => summarise(this.#model(name)))
    return { models, next: start + limit < names.length ? (models.at(-1)?.name ?? null) : null }
  }

  /** Throws 'invalid_id', 'model_not_found'. */
  get(name: string): ModelSummary {
    return summarise(this.#model(name))
  }

  /** Whether there is such a model, and in it such a version where one is named. Never throws. */
  has(name: string, version?: number): boolean {
    const versions = this.#models.get(name)?.versions
    return versions !== undefined && (version === undefined || versions.has(version))
  }

  /** Throws 'invalid_id', 'model_not_found', 'version_not_found', 'model_corrupt', 'model_version_unsupported'. */
  document(name: string, version: number): Document {
    return usableVersion(this.#model(name), version).document
  }

  /** What is on disk and cannot be used, by name and version; `version` null means the model's serving choice itself. */
  quarantined() {
    const all: { model: string; version: number | null; code: ErrorCode }[] = []
    for (const name of this.#names()) {
      const { stateDamage, versions } = this.#model(name)
      if (stateDamage !== null) all.push({ model: name, version: null, code: stateDamage })
      for (const { version, damage } of versions.values()) {
        if (damage !== null) all.push({ model: name, version, code: damage })
      }
    }
    return all
  }

  /** Throws 'registry_full' when `name` would be one model too many: worth asking before hours of training. */
  checkRoom(name: string): void {
    checkName(name)
    const { maxModels } = this.#options
    if (this.#models.has(name) || this.#arriving.has(name)) return
    if (this.#models.size + this.#arriving.size < maxModels) return
    const byAge = [...this.#models.values()].map(summarise).sort((a, b) => (a.updatedAt < b.updatedAt ? -1 : 1))
    const oldest = byAge[0]?.name ?? null
    const advice = oldest === null ? '' : ` The one trained longest ago is ${oldest}.`
    throw new DeepWatchError('registry_full', `The registry holds ${maxModels} models, its limit.${advice}`, {
      facts: { limit: maxModels, oldest },
    })
  }

  /**
   * Saves the next version of a model, durably; saves of one name run one after the other. What `build` throws saves nothing.
   * Returns the deep-frozen document. Throws 'invalid_id', 'registry_full', 'storage_full', 'storage_error'.
   */
  async add(name: string, build: BuildVersion<Document>, options: { serve: boolean }): Promise<Document> {
    checkName(name)
    return await this.#queue(name, async () => {
      this.checkRoom(name)
      this.#arriving.add(name)
      try {
        const known = this.#models.get(name)
        if (known !== undefined) return await this.#save(known, build, options.serve)
        const model = newModel<Document>(this.#root, name)
        const document = await this.#save(model, build, options.serve)
        this.#models.set(name, model)
        this.#sorted = null
        return document
      } finally {
        this.#arriving.delete(name)
      }
    })
  }

  async #save(model: Model<Document>, build: BuildVersion<Document>, serve: boolean): Promise<Document> {
    const version = model.lastVersion + 1
    const createdAt = new Date().toISOString()
    const built = await build(version, createdAt)
    const payload = shareBytes(built.payload.length)
    new Uint8Array(payload).set(built.payload)
    // What a restart would read, not what the caller may still change.
    const stored: unknown = JSON.parse(JSON.stringify(built.document))
    const header = { model: model.name, version, serve, createdAt, document: stored }
    const { chunks, digest } = await encodeArtefact(header, new Uint8Array(payload))
    const document = this.#read(stored)
    await this.#write(model, version, chunks)
    model.versions.set(version, { version, serve, createdAt, document, digest, damage: null, holders: 0 })
    this.#cache.set(digest, payload)
    return document
  }

  /** Writes an artefact durably. Its rename is the commit; what fails leaves nothing behind. */
  async #write(model: Model<Document>, version: number, chunks: readonly Uint8Array[]): Promise<void> {
    const isNew = model.versions.size === 0
    let renamed = false
    try {
      if (isNew) await this.#disk.makeFolder(model.folder)
      else if (model.stateDamage !== null) await this.#writeState(model, model.state)
      await putInPlace(this.#disk, model.folder, artefactName(version), chunks, () => {
        renamed = true
        // Whatever comes of it, this number has been on the disk and is not given again.
        model.lastVersion = version
      })
      if (isNew) await this.#disk.syncFolder(this.#root)
    } catch (error) {
      if (renamed) await tryTo(() => this.#disk.unlink(join(model.folder, artefactName(version))))
      if (isNew) await tryTo(() => this.#disk.removeFolder(model.folder))
      throw this.#failure(error, model.name, version)
    }
  }

  /**
   * `web` (its serving version) or `web@3`, with the payload in memory. Throws 'invalid_id', 'model_not_found',
   * 'version_not_found', 'model_corrupt', 'model_version_unsupported', 'storage_error'.
   */
  async resolve(reference: string): Promise<ModelHandle<Document>> {
    const [, name = '', digits] = reference.includes('@') ? (REFERENCE.exec(reference) ?? []) : [reference, reference]
    for (;;) {
      const model = this.#model(name)
      const version = usableVersion(model, digits === undefined ? servingVersion(model) : Number(digits))
      const { document, digest } = version
      try {
        const found = this.#cache.getOrRead(digest, () => this.#readPayload(model, version))
        const payload = found instanceof Promise ? await found : found
        // Deleted while it was read: it answers, and leaves the cache.
        if (!this.#isCurrent(name, version)) this.#cache.delete(digest)
        return { name, version: version.version, document, payload, digest }
      } catch (error) {
        // A file that is gone may have been deleted meanwhile: once that is over, the answer is another one.
        await this.#queues.get(name)
        if (this.#isCurrent(name, version)) throw this.#judge(name, version, error)
      }
    }
  }

  #isCurrent(name: string, version: Version<Document>): boolean {
    return this.#models.get(name)?.versions.get(version.version) === version
  }

  async #readPayload(model: Model<Document>, { version, digest }: Version<Document>): Promise<SharedArrayBuffer> {
    return await this.#reads.run(async () => {
      const artefact = await readVersion(model.folder, model.name, version, { keepPayload: true })
      if (artefact.digest === digest && artefact.payload !== null) return artefact.payload
      throw new DeepWatchError('model_corrupt', 'The stored model is damaged. Its file is not the one that was loaded.')
    })
  }

  /** Quarantines a version found damaged; a disk that fails to read says nothing about the version. */
  #judge(model: string, version: Version<Document>, error: unknown): DeepWatchError {
    const failure = storageFailure(error)
    const { code } = failure
    if (code !== 'model_corrupt' && code !== 'model_version_unsupported') {
      return this.#failure(error, model, version.version)
    }
    if (version.damage === null) {
      version.damage = code
      this.#options.log.error({ model, version: version.version, code }, 'a stored model cannot be used')
    }
    return failure
  }

  /** Chooses the version that serves until the next one trained to serve. Errors as `document` and `add`. */
  async setServing(name: string, version: number): Promise<ModelSummary> {
    return await this.#queue(name, async () => {
      const model = this.#model(name)
      usableVersion(model, version)
      await this.#choose(model, version)
      return summarise(model)
    })
  }

  /** Removes a version, also a quarantined one; the last takes the model with it. Errors: those of `document`, `storage_error`. */
  async removeVersion(name: string, version: number): Promise<void> {
    await this.#queue(name, async () => {
      const model = this.#model(name)
      const { digest } = findVersion(model, version)
      if (model.versions.size === 1) return await this.#discard(model)
      // Nothing changes by writing down what is true now; the unlink is the commit. A full disk is not in
      // the way of deleting what neither serves nor bears the highest number.
      if (needsRecord(model, version)) await this.#choose(model, chooseServing(model.state, model.versions))
      try {
        await this.#unlink(model, version, digest)
        await this.#disk.syncFolder(model.folder)
      } catch (error) {
        throw this.#failure(error, name, version)
      }
    })
  }

  /** Keeps a version from expiring until the function returned is called. Of one that is gone nothing is kept. */
  hold(name: string, version: number): () => void {
    const held = this.#models.get(name)?.versions.get(version)
    let isHeld = held !== undefined
    if (held !== undefined) held.holders++
    return () => {
      if (isHeld) held!.holders--
      isHeld = false
    }
  }

  /**
   * Removes the oldest versions past the newest `keep`, but none that serves, is held or damaged. Each unlink is a commit, and none
   * changes what serves: what is cut short is done by the next call. A disk that fails is logged, and the version stays.
   * Returns the numbers removed, ascending.
   */
  async expire(name: string, keep: number): Promise<number[]> {
    return await this.#queue(name, async () => {
      const model = this.#models.get(name)
      if (model === undefined) return []
      const removed: number[] = []
      try {
        for (const { version, digest } of expiredVersions(model, keep)) {
          await this.#unlink(model, version, digest)
          removed.push(version)
        }
        if (removed.length > 0) await this.#disk.syncFolder(model.folder)
      } catch (error) {
        this.#failure(error, name)
      }
      return removed
    })
  }

  async #unlink(model: Model<Document>, version: number, digest: string): Promise<void> {
    await this.#disk.unlink(join(model.folder, artefactName(version)))
    model.versions.delete(version)
    this.#cache.delete(digest)
  }

  /** Gives the number of versions it had. Throws 'model_not_found', 'storage_error'. The name starts again at version 1. */
  async removeModel(name: string): Promise<number> {
    return await this.#queue(name, async () => {
      const model = this.#model(name)
      await this.#discard(model)
      return model.versions.size
    })
  }

  async #discard(model: Model<Document>): Promise<void> {
    const trash = `.trash-${randomBytes(8).toString('hex')}`
    try {
      await this.#disk.rename(model.folder, join(this.#root, trash))
      this.#models.delete(model.name)
      this.#sorted = null
      for (const { digest } of model.versions.values()) this.#cache.delete(digest)
      await this.#disk.syncFolder(this.#root)
    } catch (error) {
      throw this.#failure(error, model.name)
    }
    await this.#sweep(trash)
  }

  async #sweep(trash: string): Promise<void> {
    if (await tryTo(() => this.#disk.removeTree(join(this.#root, trash)))) return
    this.#options.log.warn({ trash }, 'a deleted model could not be cleared away; the next start tries again')
  }

  /** Writes down a choice made now, with all versions known. */
  async #choose(model: Model<Document>, serving: number | null): Promise<void> {
    try {
      await this.#writeState(model, { serving, asOf: model.lastVersion, lastVersion: model.lastVersion })
    } catch (error) {
      throw this.#failure(error, model.name)
    }
  }

  async #writeState(model: Model<Document>, state: ServingState): Promise<void> {
    await writeState(this.#disk, model.folder, state)
    model.state = state
    model.stateDamage = null
  }

  /** Waits for the saves and removals under way; later ones are refused with 'shutting_down'. */
  async close(): Promise<void> {
    this.#closing = true
    await Promise.all(this.#queues.values())
  }

  /** Runs a change after those of the same name that came before, however those went. */
  async #queue<Result>(name: string, change: () => Promise<Result>): Promise<Result> {
    if (this.#closing) throw new DeepWatchError('shutting_down', 'The service is shutting down.')
    const before = this.#queues.get(name) ?? Promise.resolve()
    const mine = before.then(change)
    const settled = mine.then(
      () => {},
      () => {},
    )
    this.#queues.set(name, settled)
    try {
      return await mine
    } finally {
      if (this.#queues.get(name) === settled) this.#queues.delete(name)
    }
  }

  #names(): readonly string[] {
    this.#sorted ??= [...this.#models.keys()].sort()
    return this.#sorted
  }

  /** Throws 'invalid_id', 'model_not_found'. */
  #model(name: string): Model<Document> {
    checkName(name)
    const model = this.#models.get(name)
    if (model === undefined)
      throw new DeepWatchError('model_not_found', `There is no model ${name}${didYouMean(name, this.#models.keys())}.`)
    return model
  }

  /** Logs why, which the client does not get to see; the disk's own message would carry a path. */
  #failure(error: unknown, model: string, version?: number): DeepWatchError {
    const failure = storageFailure(error)
    const facts = { model, version, code: failure.code, reason: errorCode(failure.cause) }
    this.#options.log.error(facts, 'the models folder could not be used')
    return failure
  }
}

/** A name that a model may have. Throws 'invalid_id'. */
export function checkName(name: string): string {
  if (modelNamePattern.test(name)) return name
  const detail = 'A model name is up to 63 of a-z, 0-9, _ and -, and starts with a letter or digit.'
  throw new DeepWatchError('invalid_id', detail)
}

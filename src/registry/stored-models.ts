/**
 * A stored model: its folder, and how the registry holds it in memory. In the folder are `00000001.dwm`, ... and `state.json`, once
 * something was chosen or deleted. A version is there by the one rename of its file: whether it serves is in its header;
 * `state.json` says what was chosen before it came.
 */
import { constants } from 'node:fs'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DeepWatchError, type ErrorCode } from '../errors.ts'
import type { Gate } from '../flow.ts'
import { type Disk, digestOf, errorCode, putInPlace, storageFailure, temporaryName, tryTo } from '../storage/index.ts'
import { type Artefact, openSource, readArtefact } from './artefact.ts'

/** Folders of deleted models on their way out. */
export const trashName = /^\.trash-[0-9a-f]{16}$/
const ARTEFACT_NAME = /^(\d{8,15})\.dwm$/
const STATE_NAME = 'state.json'
const STATE_FORMAT = 1
const STATE_BYTES = 4096

/** What was chosen, and when in the order of versions. */
export interface ServingState {
  /** The version chosen; null when none was. When it is gone, the newest one up to `asOf` serves. */
  readonly serving: number | null
  /** The newest version at that time. Of the versions after it, the newest saved to serve serves. */
  readonly asOf: number
  /** The highest number ever given, so that none comes again. */
  readonly lastVersion: number
}

const noState: ServingState = { serving: null, asOf: 0, lastVersion: 0 }

/** The version that serves, or null. `serve` of an unreadable version is not known: it counts as saved to serve. */
export function chooseServing(
  state: ServingState,
  versions: ReadonlyMap<number, { readonly serve: boolean }>,
): number | null {
  let trained = 0
  let left = 0
  for (const [version, { serve }] of versions) {
    if (version <= state.asOf) left = Math.max(left, version)
    else if (serve) trained = Math.max(trained, version)
  }
  if (trained > 0) return trained
  if (state.serving === null || versions.has(state.serving)) return state.serving
  return left > 0 ? left : null
}

export function artefactName(version: number): string {
  return `${String(version).padStart(8, '0')}.dwm`
}

/** What is in a model's folder; nothing of it has been read yet. `highest` is the highest number of any entry, file or not. */
async function listFolder(folder: string) {
  const versions: number[] = []
  const temporary: string[] = []
  let [highest, foreign, hasState] = [0, 0, false]
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const version = Number(ARTEFACT_NAME.exec(entry.name)?.[1] ?? 0)
    if (version > 0 && artefactName(version) === entry.name) {
      highest = Math.max(highest, version)
      if (entry.isFile()) versions.push(version)
      else foreign++
    } else if (temporaryName.test(entry.name) && entry.isFile()) temporary.push(entry.name)
    else if (entry.name === STATE_NAME && entry.isFile()) hasState = true
    else foreign++
  }
  return { versions: versions.sort((a, b) => a - b), highest, hasState, temporary, foreign }
}

/** Removes what a killed process left, and a folder that holds no version. False when nothing is left to load. */
async function sweepFolder(disk: Disk, folder: string, listing: Awaited<ReturnType<typeof listFolder>>) {
  for (const name of listing.temporary) await tryTo(() => disk.unlink(join(folder, name)))
  if (listing.versions.length > 0) return true
  if (listing.hasState) await tryTo(() => disk.unlink(join(folder, STATE_NAME)))
  if (listing.foreign === 0) await tryTo(() => disk.removeFolder(folder))
  return false
}

/** Reads and verifies one version. Throws 'model_corrupt' (also when gone), 'model_version_unsupported', 'storage_error'. */
export async function readVersion(
  folder: string,
  model: string,
  version: number,
  options: { keepPayload: boolean },
): Promise<Artefact> {
  try {
    const file = await open(join(folder, artefactName(version)), constants.O_RDONLY | constants.O_NOFOLLOW)
    const artefact = await openSource(file)
      .then((source) => readArtefact(source, options))
      .finally(() => file.close())
    const { header } = artefact
    if (header.model === model && header.version === version) return artefact
    throw new DeepWatchError('model_corrupt', 'The stored model is damaged. The file belongs to another version.')
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw storageFailure(error)
    throw new DeepWatchError('model_corrupt', 'The stored model is damaged. Its file is gone.', { cause: error })
  }
}

/** When a version's file was written, RFC 3339: all there is to say about one that cannot be read. */
async function fileTime(folder: string, version: number): Promise<string> {
  try {
    return (await stat(join(folder, artefactName(version)))).mtime.toISOString()
  } catch {
    return new Date(0).toISOString()
  }
}

/** Reads `state.json`; the code when it is damaged or of a newer format. */
async function readState(folder: string): Promise<ServingState | ErrorCode> {
  try {
    const bytes = await readFile(join(folder, STATE_NAME))
    if (bytes.length > STATE_BYTES) return 'model_corrupt'
    const { state, sha256 } = JSON.parse(bytes.toString('utf8')) as { state: unknown; sha256: unknown }
    if (sha256 !== digestOf(state) || typeof state !== 'object' || state === null) return 'model_corrupt'
    const { format, serving, asOf, lastVersion } = state as Record<string, unknown>
    if (Number.isSafeInteger(format) && (format as number) > STATE_FORMAT) return 'model_version_unsupported'
    const numbers = [format, serving ?? 0, asOf, lastVersion]
    if (!numbers.every((value) => Number.isSafeInteger(value) && (value as number) >= 0)) return 'model_corrupt'
    return { serving: serving as number | null, asOf: asOf as number, lastVersion: lastVersion as number }
  } catch (error) {
    return errorCode(error) === undefined || errorCode(error) === 'ENOENT' ? 'model_corrupt' : 'storage_error'
  }
}

/** Writes `state.json` durably. Throws what the disk threw. */
export async function writeState(disk: Disk, folder: string, chosen: ServingState): Promise<void> {
  const state = { format: STATE_FORMAT, ...chosen }
  const text = `${JSON.stringify({ state, sha256: digestOf(state) })}\n`
  await putInPlace(disk, folder, STATE_NAME, [Buffer.from(text)])
}

/** One model at a glance. Version numbers are ascending and count quarantined versions too. */
export interface ModelSummary {
  readonly name: string
  readonly versions: readonly number[]
  readonly newest: number
  /** The version that scores when none is named; null while the choice is unreadable (see `quarantined`). */
  readonly serving: number | null
  readonly quarantined: readonly number[]
  /** RFC 3339, of the oldest and of the newest version there is. */
  readonly createdAt: string
  readonly updatedAt: string
}

export interface Version<Document> {
  readonly version: number
  /** True for a version that cannot be read, of which it is not known. */
  readonly serve: boolean
  readonly createdAt: string
  /** Null while quarantined from the start. */
  readonly document: Document | null
  /** SHA-256 of the file, hex; empty while quarantined from the start. */
  readonly digest: string
  damage: ErrorCode | null
  /** Who works with it now: see `Registry.hold`. */
  holders: number
}

/** A version that is not quarantined. */
type UsableVersion<Document> = Version<Document> & { readonly document: Document }

export interface Model<Document> {
  readonly name: string
  readonly folder: string
  /** Ascending by number; never empty once the registry knows the model. */
  readonly versions: Map<number, Version<Document>>
  state: ServingState
  /** Why the stored state could not be read; it is written anew with the next change. */
  stateDamage: ErrorCode | null
  lastVersion: number
}

export function newModel<Document>(root: string, name: string): Model<Document> {
  return { name, folder: join(root, name), versions: new Map(), state: noState, stateDamage: null, lastVersion: 0 }
}

/** Sweeps and verifies a model's folder. `model` is null without a version; `foreign` counts entries not ours. */
export async function loadModel<Document>(
  root: string,
  name: string,
  disk: Disk,
  reads: Gate,
  accept: (value: unknown) => Document,
): Promise<{ model: Model<Document> | null; foreign: number }> {
  const model = newModel<Document>(root, name)
  const { folder } = model
  const listing = await reads.run(() => listFolder(folder))
  const { foreign } = listing
  if (!(await sweepFolder(disk, folder, listing))) return { model: null, foreign }
  const versions = await Promise.all(
    listing.versions.map((version) => reads.run(() => loadVersion(folder, name, version, accept))),
  )
  for (const version of versions) model.versions.set(version.version, version)
  model.lastVersion = listing.highest
  if (!listing.hasState) return { model, foreign }
  const state = await readState(folder)
  if (typeof state === 'string') {
    // The choice is lost: no version serves until one is chosen.
    model.stateDamage = state
    model.state = { serving: null, asOf: listing.highest, lastVersion: listing.highest }
  } else {
    model.state = state
    model.lastVersion = Math.max(listing.highest, state.lastVersion)
  }
  return { model, foreign }
}

async function loadVersion<Document>(
  folder: string,
  name: string,
  version: number,
  accept: (value: unknown) => Document,
): Promise<Version<Document>> {
  try {
    const { header, digest } = await readVersion(folder, name, version, { keepPayload: false })
    const { serve, createdAt } = header
    return { version, serve, createdAt, document: accept(header.document), digest, damage: null, holders: 0 }
  } catch (error) {
    const createdAt = await fileTime(folder, version)
    const { code: damage } = storageFailure(error)
    return { version, serve: true, createdAt, document: null, digest: '', damage, holders: 0 }
  }
}

export function summarise<Document>(model: Model<Document>): ModelSummary {
  const entries = [...model.versions.values()]
  const versions = entries.map(({ version }) => version)
  const quarantined = entries.filter(({ damage }) => damage !== null).map(({ version }) => version)
  const serving = chooseServing(model.state, model.versions)
  const { createdAt } = entries[0]!
  const { version: newest, createdAt: updatedAt } = entries.at(-1)!
  return { name: model.name, versions, newest, serving, quarantined, createdAt, updatedAt }
}

/** Throws 'version_not_found'. */
export function findVersion<Document>(model: Model<Document>, version: number): Version<Document> {
  const found = model.versions.get(version)
  if (found !== undefined) return found
  throw new DeepWatchError('version_not_found', `The model ${model.name} has no version ${version}.`)
}

/** Throws 'version_not_found', or why the version is quarantined. */
export function usableVersion<Document>(model: Model<Document>, version: number): UsableVersion<Document> {
  const found = findVersion(model, version)
  const code = found.damage
  if (code === null) return found as UsableVersion<Document>
  const what = code === 'model_version_unsupported' ? 'has a newer format than this software reads' : 'cannot be read'
  throw new DeepWatchError(code, `The stored version ${version} of the model ${model.name} ${what}.`, {
    facts: { model: model.name, version },
  })
}

/** The number of the serving version. Throws 'version_not_found' when none was chosen, 'model_corrupt' when the choice is lost. */
export function servingVersion<Document>({ name, state, stateDamage, versions }: Model<Document>): number {
  const serving = chooseServing(state, versions)
  if (serving !== null) return serving
  if (stateDamage === null) {
    const detail = `No version of the model ${name} serves; name one, or choose one to serve.`
    throw new DeepWatchError('version_not_found', detail)
  }
  const detail = `Which version of the model ${name} serves cannot be read; choose one to serve.`
  throw new DeepWatchError(stateDamage, detail, { facts: { model: name } })
}

/** Whether removing this version would lose the highest number given, or which version serves, unless `state.json` records it. */
export function needsRecord<Document>({ state, versions, lastVersion }: Model<Document>, version: number): boolean {
  const isNewest = version === Math.max(...versions.keys())
  const isServing = version === chooseServing(state, versions)
  // A choice that does not know the newest versions would not let them take over.
  const isRecorded = state.serving === version && state.asOf === lastVersion
  return (isNewest && state.lastVersion < lastVersion) || (isServing && !isRecorded)
}

/** The oldest versions past the newest `keep`, ascending. What serves, is in use or damaged stays; what is damaged does not count. */
export function expiredVersions<Document>({ state, versions }: Model<Document>, keep: number): Version<Document>[] {
  const serving = chooseServing(state, versions)
  const usable = [...versions.values()].filter(({ damage }) => damage === null)
  return usable
    .slice(0, Math.max(0, usable.length - keep))
    .filter(({ version, holders }) => version !== serving && holders === 0)
}

export function deepFreeze<Value>(value: Value): Value {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const item of Object.values(value)) deepFreeze(item)
  }
  return value
}

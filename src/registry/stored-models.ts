/** The models as the registry holds them in memory, and how one comes up from its folder. */
import { join } from 'node:path'
import { DeepWatchError, type ErrorCode } from '../errors.ts'
import type { Gate } from '../flow.ts'
import { type Disk, storageFailure } from '../storage/index.ts'
import {
  chooseServing,
  fileTime,
  listFolder,
  noState,
  readState,
  readVersion,
  type ServingState,
  sweepFolder,
} from './folder.ts'

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

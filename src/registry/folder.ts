import { constants } from 'node:fs'
import { open, readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { DeepWatchError, type ErrorCode } from '../errors.ts'
import { type Disk, digestOf, errorCode, putInPlace, storageFailure, temporaryName, tryTo } from '../storage/index.ts'
import { type Artefact, openSource, readArtefact } from './artefact.ts'

/**
 * The folder of one model: `00000001.dwm`, ... and `state.json`, once something was chosen or deleted. A version is there by the one
 * rename of its file: whether it serves is in its header; `state.json` says what was chosen before it came.
 */

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

export const noState: ServingState = { serving: null, asOf: 0, lastVersion: 0 }

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
export async function listFolder(folder: string) {
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
export async function sweepFolder(
  disk: Disk,
  folder: string,
  listing: Awaited<ReturnType<typeof listFolder>>,
): Promise<boolean> {
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
export async function fileTime(folder: string, version: number): Promise<string> {
  try {
    return (await stat(join(folder, artefactName(version)))).mtime.toISOString()
  } catch {
    return new Date(0).toISOString()
  }
}

/** Reads `state.json`; the code when it is damaged or of a newer format. */
export async function readState(folder: string): Promise<ServingState | ErrorCode> {
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

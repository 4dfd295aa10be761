import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readlink, realpath } from 'node:fs/promises'
import { basename, join, resolve, sep } from 'node:path'
import { DeepWatchError } from '../errors.ts'

/**
 * Path containment: the one place that turns the spelling of a path into a file that may be read.
 *
 * A spelling is not judged by its text. It is resolved and walked from the data root one part at a time; every symbolic link on
 * the way must end inside a root. A path outside answers `path_not_allowed` whether it exists or not; only a path that is missing
 * inside a root answers `source_not_found`.
 */

/** What makes a file the same file: compared when it is opened again and when reading is over. */
export type FileIdentity = ReturnType<typeof identityOf>

/** One file that passed every check. `path` is absolute and real; `name` is its last part and the only one shown to anybody. */
export interface CheckedFile {
  readonly path: string
  readonly name: string
  readonly bytes: number
  /** The reading process refuses a file that is not this one. */
  readonly identity: FileIdentity
  /** Folder names like `host=a` between the named folder and the file. Empty for a file named by itself. */
  readonly partitions: Readonly<Record<string, string | null>>
}

const MAX_SPELLING = 4_096

const SCHEME =
  /^([a-z][a-z0-9+.-]*:\/\/|(https?|ftp|s3[an]?|gcs|gs|r2|hf|az|azure|abfss?|wasbs?|file|data|hdfs|oss|sftp|ssh):)/i

/** Where a data root stands and what it really is. */
export interface Root {
  readonly spelled: string
  readonly real: string
}

/** The roots that exist: one that is not there (yet) allows nothing. */
export async function openRoots(spellings: readonly string[]): Promise<Root[]> {
  const roots: Root[] = []
  for (const spelling of spellings) {
    const spelled = resolve(spelling)
    const real = await realpath(spelled).catch(() => null)
    if (real !== null) roots.push({ spelled, real })
  }
  return roots
}

/**
 * The real path a spelling stands for; it exists and lies inside a root.
 * Throws `url_not_allowed`, `path_not_allowed`, `source_not_found`.
 */
export async function resolveInside(spelling: string, roots: readonly Root[]): Promise<string> {
  if (SCHEME.test(spelling))
    throw new DeepWatchError('url_not_allowed', 'Name a file below a data root; addresses are not read.')
  const isUnreadable =
    spelling === '' || spelling.length > MAX_SPELLING || spelling.includes('\0') || spelling.startsWith('~')
  if (isUnreadable) throw notAllowed()
  let inside = false
  for (const root of roots) {
    const target = resolve(root.spelled, spelling)
    for (const owner of roots) {
      const rest = below(owner.spelled, target) ?? below(owner.real, target)
      if (rest === null) continue
      inside = true
      const found = await walk(owner, rest, roots)
      if (found !== null) return found
    }
  }
  throw inside ? new DeepWatchError('source_not_found', 'There is no such file in the data roots.') : notAllowed()
}

/** Opens and checks one regular file. Throws `source_not_regular`, `path_not_allowed`, `source_empty`, `source_unreadable`. */
export async function checkFile(path: string, partitions: CheckedFile['partitions'] = {}): Promise<CheckedFile> {
  const { handle, identity } = await openChecked(path)
  await handle.close()
  return { path, name: basename(path), bytes: identity.size, identity, partitions }
}

/** Opens a real path for reading without ever waiting for a writer (FIFO) or following a link that appeared meanwhile. */
export async function openChecked(path: string): Promise<{ handle: FileHandle; identity: FileIdentity }> {
  const before = await lstat(path).catch(() => null)
  if (before === null) throw new DeepWatchError('source_not_found', 'There is no such file in the data roots.')
  if (before.isSymbolicLink()) throw notAllowed()
  if (!before.isFile()) throw new DeepWatchError('source_not_regular', 'Only regular files can be read.')
  let handle: FileHandle
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (cause) {
    throw new DeepWatchError('source_unreadable', 'The file could not be opened.', { cause })
  }
  try {
    const stat = await handle.stat({ bigint: true })
    if (!stat.isFile()) throw new DeepWatchError('source_not_regular', 'Only regular files can be read.')
    // A second hard link may have been made to bring a file from outside into a root.
    if (stat.nlink !== 1n || !(await isStillThere(handle, path))) throw notAllowed()
    if (stat.size === 0n) throw new DeepWatchError('source_empty', 'The file is empty.')
    return { handle, identity: identityOf(stat) }
  } catch (error) {
    await handle.close()
    throw error
  }
}

/** The identity of a file from its big-integer stat. */
export function identityOf(stat: { dev: bigint; ino: bigint; size: bigint; mtimeNs: bigint }) {
  return { dev: String(stat.dev), ino: String(stat.ino), size: Number(stat.size), mtimeNs: String(stat.mtimeNs) }
}

/** The part of `target` below `folder`, '' for the folder itself, null outside. */
function below(folder: string, target: string): string | null {
  if (target === folder) return ''
  const prefix = folder.endsWith(sep) ? folder : folder + sep
  return target.startsWith(prefix) ? target.slice(prefix.length) : null
}

/** Follows `rest` from a root part by part; null when it is missing. A link that ends nowhere counts as outside. */
async function walk(root: Root, rest: string, roots: readonly Root[]): Promise<string | null> {
  let at = root.real
  for (const part of rest === '' ? [] : rest.split(sep)) {
    const next = join(at, part)
    const stat = await lstat(next).catch(() => null)
    if (stat === null) return null
    at = stat.isSymbolicLink() ? await insideTarget(next, roots) : next
  }
  return at
}

/** The real path behind a symbolic link. Error: `path_not_allowed` when it leads out of the roots, or nowhere. */
export async function insideTarget(link: string, roots: readonly Root[]): Promise<string> {
  const target = await realpath(link).catch(() => null)
  if (target === null || !roots.some((root) => below(root.real, target) !== null)) throw notAllowed()
  return target
}

/** Whether the opened file is the one at the path, folders included. Only Linux can say; elsewhere the identity must do. */
async function isStillThere(handle: FileHandle, path: string): Promise<boolean> {
  if (process.platform !== 'linux') return true
  return (await readlink(`/proc/self/fd/${handle.fd}`).catch(() => path)) === path
}

/** The error for anything outside the roots. */
export function notAllowed(): DeepWatchError {
  return new DeepWatchError('path_not_allowed', 'The path is not a file inside a data root.')
}

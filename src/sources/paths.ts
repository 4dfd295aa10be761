import { constants } from 'node:fs'
import { type FileHandle, lstat, open, readdir, readlink, realpath } from 'node:fs/promises'
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

/** Depth and number of entries a named folder may have below it. */
const FOLDER_DEPTH = 32
const FOLDER_ENTRIES = 200_000
const MAX_SPELLING = 4_096

const SCHEME =
  /^([a-z][a-z0-9+.-]*:\/\/|(https?|ftp|s3[an]?|gcs|gs|r2|hf|az|azure|abfss?|wasbs?|file|data|hdfs|oss|sftp|ssh):)/i

/** Where a data root stands and what it really is. */
interface Root {
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

/**
 * Every Parquet file below a folder, by the bytes of the path below it. Names that begin with `.` or `_` are passed over
 * (they are how writers mark what is not data); a symbolic link to a file must end inside a root, one to a folder is refused.
 * Throws `too_many_files`, `path_not_allowed`, `source_empty` and what `checkFile` throws.
 */
export async function listFolder(folder: string, roots: readonly Root[], maxFiles: number): Promise<CheckedFile[]> {
  const found: { rest: string; path: string }[] = []
  for await (const { rest, path, isLink } of entriesBelow(folder)) {
    const real = isLink ? await insideTarget(path, roots) : path
    if (isLink && (await lstat(real)).isDirectory()) throw notAllowed()
    if (rest.toLowerCase().endsWith('.parquet')) found.push({ rest, path: real })
    if (found.length > maxFiles) throw tooMany(`A source may have at most ${maxFiles} files.`)
  }
  if (found.length === 0) throw new DeepWatchError('source_empty', 'The folder has no Parquet file.')
  found.sort((a, b) => Buffer.compare(Buffer.from(a.rest), Buffer.from(b.rest)))
  const files: CheckedFile[] = []
  for (const { rest, path } of found) files.push(await checkFile(path, partitionsOf(rest)))
  return files
}

/** Everything below a folder that is not a folder; `rest` is its path from there, with slashes. */
async function* entriesBelow(folder: string): AsyncGenerator<{ rest: string; path: string; isLink: boolean }> {
  const folders = [{ at: folder, prefix: '', depth: 0 }]
  let entries = 0
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const { at, prefix, depth } = next
    if (depth > FOLDER_DEPTH) throw tooMany('The folder is nested too deeply.')
    for (const entry of await readdir(at, { withFileTypes: true })) {
      if (++entries > FOLDER_ENTRIES) throw tooMany('The folder has too many entries.')
      if (/^[._]/.test(entry.name)) continue
      const path = join(at, entry.name)
      const rest = prefix + entry.name
      if (entry.isDirectory()) folders.push({ at: path, prefix: `${rest}/`, depth: depth + 1 })
      else yield { rest, path, isLink: entry.isSymbolicLink() }
    }
  }
}

/** `host=a/day=1/x.parquet` gives host and day; names and values may be percent-encoded, as writers do. */
function partitionsOf(rest: string): Record<string, string | null> {
  const partitions: Record<string, string | null> = Object.create(null)
  for (const part of rest.split('/').slice(0, -1)) {
    const cut = part.indexOf('=')
    if (cut <= 0) continue
    const value = decode(part.slice(cut + 1))
    partitions[decode(part.slice(0, cut))] = value === '__HIVE_DEFAULT_PARTITION__' ? null : value
  }
  return partitions
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
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

async function insideTarget(link: string, roots: readonly Root[]): Promise<string> {
  const target = await realpath(link).catch(() => null)
  if (target === null || !roots.some((root) => below(root.real, target) !== null)) throw notAllowed()
  return target
}

/** Whether the opened file is the one at the path, folders included. Only Linux can say; elsewhere the identity must do. */
async function isStillThere(handle: FileHandle, path: string): Promise<boolean> {
  if (process.platform !== 'linux') return true
  return (await readlink(`/proc/self/fd/${handle.fd}`).catch(() => path)) === path
}

function notAllowed(): DeepWatchError {
  return new DeepWatchError('path_not_allowed', 'The path is not a file inside a data root.')
}

function tooMany(detail: string): DeepWatchError {
  return new DeepWatchError('too_many_files', detail)
}

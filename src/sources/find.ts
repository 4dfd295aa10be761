import { lstat, readdir } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { DeepWatchError } from '../errors.ts'
import { endings, isNamedAsTelemetry, unpackedName } from '../formats/index.ts'
import { type CheckedFile, checkFile, insideTarget, notAllowed, type Root, resolveInside } from './paths.ts'
import { matchesPattern } from './pattern.ts'

/** What paths stand for: at least one file, in reading order. */
interface Found {
  readonly files: readonly CheckedFile[]
  /** One folder was named. */
  readonly isFolder: boolean
}

/** Where an entry of a folder is; `rest` is its path below that, with slashes. */
interface Entry {
  readonly rest: string
  readonly path: string
  readonly isLink: boolean
}

/** Depth and number of entries a named folder may have below it. */
const FOLDER_DEPTH = 32
const FOLDER_ENTRIES = 200_000

/**
 * The files that one path or a list of them stands for. A path is a file, or a pattern with `*` or `?` in its last part when no file
 * has that name; alone, it may be a folder. Errors: `source_empty`, `too_many_files`, those of `resolveInside` and `checkFile`.
 */
export async function findFiles(
  paths: string | readonly string[],
  roots: readonly Root[],
  maxFiles: number,
): Promise<Found> {
  const spellings = typeof paths === 'string' ? [paths] : paths
  if (spellings.length === 0) throw new DeepWatchError('source_empty', 'The list of files is empty.')
  bound(spellings.length, maxFiles)
  const files: CheckedFile[] = []
  for (const spelling of spellings) {
    const path = await resolveOrNull(spelling, roots)
    if (path === null) files.push(...(await filesLike(spelling, roots, maxFiles)))
    else if (!(await isFolder(path))) files.push(await checkFile(path))
    else if (typeof paths === 'string') return { files: await filesBelow(path, roots, maxFiles), isFolder: true }
    else throw new DeepWatchError('source_not_regular', 'A list names files; a folder stands alone.')
  }
  bound(files.length, maxFiles)
  return { files, isFolder: false }
}

const isFolder = async (path: string): Promise<boolean> => (await lstat(path).catch(() => null))?.isDirectory() ?? false

/** Null for a pattern that is no file's name. */
async function resolveOrNull(spelling: string, roots: readonly Root[]): Promise<string | null> {
  try {
    return await resolveInside(spelling, roots)
  } catch (error) {
    const isMissing = error instanceof DeepWatchError && error.code === 'source_not_found'
    if (isMissing && /[*?]/.test(basename(spelling))) return null
    throw error
  }
}

/** The files a pattern stands for, in the first root that has any, by the bytes of their names. */
async function filesLike(spelling: string, roots: readonly Root[], maxFiles: number): Promise<CheckedFile[]> {
  for (const { spelled } of roots) {
    const folder = await resolveInside(resolve(spelled, dirname(spelling)), roots).catch(() => null)
    if (folder === null || !(await isFolder(folder))) continue
    const matching: Entry[] = []
    for await (const entry of entriesBelow(folder, 0)) {
      if (!matchesPattern(entry.rest, basename(spelling))) continue
      const path = entry.isLink ? await insideTarget(entry.path, roots) : entry.path
      if (!(await isFolder(path))) matching.push({ ...entry, path })
      bound(matching.length, maxFiles)
    }
    if (matching.length > 0) return checkAll(matching, false)
  }
  throw new DeepWatchError('source_not_found', 'No file in the data roots matches the pattern.')
}

/**
 * Every file below a folder that is called like telemetry, by the bytes of the path below it. A symbolic link to a file must end
 * inside a root, one to a folder is refused.
 */
async function filesBelow(folder: string, roots: readonly Root[], maxFiles: number): Promise<CheckedFile[]> {
  const found: Entry[] = []
  for await (const entry of entriesBelow(folder, FOLDER_DEPTH)) {
    const path = entry.isLink ? await insideTarget(entry.path, roots) : entry.path
    if (entry.isLink && (await isFolder(path))) throw notAllowed()
    if (isNamedAsTelemetry(entry.rest)) found.push({ ...entry, path })
    bound(found.length, maxFiles)
  }
  if (found.length === 0) {
    const detail = `The folder has no file that ends in ${endings.join(', ')}.`
    throw new DeepWatchError('source_empty', `${detail} Name others by themselves, or by a pattern with *.`)
  }
  refuseTwins(found)
  return checkAll(found, true)
}

/** A file beside its packed form would count twice. Error: `format_mismatch`. */
function refuseTwins(found: readonly Entry[]): void {
  const names = new Map<string, string>()
  for (const { rest } of found) {
    const twin = names.get(unpackedName(rest))
    names.set(unpackedName(rest), rest)
    if (twin === undefined) continue
    const detail = `The folder holds ${basename(twin)} and ${basename(rest)}, the same telemetry twice by their names.`
    throw new DeepWatchError('format_mismatch', `${detail} Remove one, or name the files to read.`)
  }
}

async function checkAll(entries: readonly Entry[], isHive: boolean): Promise<CheckedFile[]> {
  const sorted = entries.toSorted((a, b) => Buffer.compare(Buffer.from(a.rest), Buffer.from(b.rest)))
  const files: CheckedFile[] = []
  for (const { rest, path } of sorted) files.push(await checkFile(path, isHive ? partitionsOf(rest) : {}))
  return files
}

/**
 * What lies in a folder and is no folder, and below it to a `depth`; 0 is the folder alone. Names that begin with `.` or `_` are
 * passed over: they are how writers mark what is not data.
 */
async function* entriesBelow(folder: string, depth: number): AsyncGenerator<Entry> {
  const folders = [{ at: folder, prefix: '', level: 0 }]
  let entries = 0
  for (let next = folders.pop(); next !== undefined; next = folders.pop()) {
    const { at, prefix, level } = next
    if (level > depth) throw tooMany('The folder is nested too deeply.')
    for (const entry of await readdir(at, { withFileTypes: true })) {
      if (++entries > FOLDER_ENTRIES) throw tooMany('The folder has too many entries.')
      if (/^[._]/.test(entry.name)) continue
      const path = join(at, entry.name)
      const rest = prefix + entry.name
      if (!entry.isDirectory()) yield { rest, path, isLink: entry.isSymbolicLink() }
      else if (depth > 0) folders.push({ at: path, prefix: `${rest}/`, level: level + 1 })
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

/** Error: `too_many_files`. */
function bound(files: number, maxFiles: number): void {
  if (files > maxFiles) throw tooMany(`A source may have at most ${maxFiles} files.`)
}

function tooMany(detail: string): DeepWatchError {
  return new DeepWatchError('too_many_files', detail)
}

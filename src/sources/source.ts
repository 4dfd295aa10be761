import { stat } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { DeepWatchError } from '../errors.ts'
import type { Format, FormatId } from '../formats/index.ts'
import { type CheckedFile, identityOf } from './paths.ts'
import type { PlainFile } from './plain.ts'

/** Something readable, made by one of the functions of `Sources`. */
export interface Source {
  readonly kind: 'path' | 'upload' | 'rows'
  readonly format: FormatId
  /** At least one; in reading order. A packed file is read from the spool, under the name it was found by. */
  readonly files: readonly CheckedFile[]
  /** A folder was named: folder names like `host=a` below it are partition columns. */
  readonly hive: boolean
  /** Bytes of all files as they were found or sent, packed or not. */
  readonly bytes: number
  /** SHA-256 of an upload or of spooled rows, hexadecimal. */
  readonly digest?: string | undefined
  /** Throws `source_changed` when a file is not the one that was opened. */
  verifyUnchanged(): Promise<void>
  /** Removes what was spooled. Idempotent; never throws. */
  dispose(): Promise<void>
}

/** A file as it is read, and what it is. */
export interface OpenedFile {
  readonly plain: PlainFile
  readonly format: Format
}

/** A file of a path, as it was found and as it is read. */
export interface FoundFile extends OpenedFile {
  readonly original: CheckedFile
}

/** A source of these files, which it owns from now on: nothing of them stays in the spool when it fails. Error: `format_mismatch`. */
export async function pathSource(found: readonly FoundFile[], hive: boolean): Promise<Source> {
  const dispose = () => removeAll(found)
  try {
    return {
      kind: 'path',
      format: oneFormat(found).id,
      files: await Promise.all(found.map(readFrom)),
      hive,
      bytes: found.reduce((sum, { original }) => sum + original.bytes, 0),
      async verifyUnchanged() {
        for (const { original } of found) await verifyFile(original)
      },
      dispose,
    }
  } catch (error) {
    await dispose()
    throw error
  }
}

/** A source of what was spooled and belongs to nobody else. `sent` is what arrived: its bytes, its SHA-256, how to remove it. */
export async function spooledSource(
  kind: 'upload' | 'rows',
  sent: { readonly bytes: number; readonly digest: string; remove(): Promise<void> },
  { plain, format }: OpenedFile,
): Promise<Source> {
  const identity = identityOf(await stat(plain.path, { bigint: true }))
  return {
    kind,
    format: format.id,
    files: [{ path: plain.path, name: 'upload', bytes: identity.size, identity, partitions: {} }],
    hive: false,
    bytes: sent.bytes,
    digest: sent.digest,
    verifyUnchanged: async () => {},
    async dispose() {
      await plain.remove()
      await sent.remove()
    },
  }
}

/** Removes what was unpacked of these files. Never throws. */
export async function removeAll(files: readonly OpenedFile[]): Promise<void> {
  for (const { plain } of files) await plain.remove()
}

async function readFrom({ original, plain: { path } }: FoundFile): Promise<CheckedFile> {
  if (path === original.path) return original
  const identity = identityOf(await stat(path, { bigint: true }))
  return { ...original, path, bytes: identity.size, identity }
}

async function verifyFile({ path, name, identity }: CheckedFile): Promise<void> {
  const now = await stat(path, { bigint: true }).then(identityOf, () => null)
  if (!isDeepStrictEqual(now, identity))
    throw new DeepWatchError('source_changed', `The file ${name} changed while it was read.`)
}

/** The one format all files have. */
function oneFormat(files: readonly FoundFile[]): Format {
  const [first, ...others] = files as readonly [FoundFile, ...FoundFile[]]
  const other = others.find(({ format }) => format !== first.format)
  if (other === undefined) return withPartitions(first.format, files)
  const [one, two] = [first, other].map(({ original, format }) => `${original.name} is ${format.title}`)
  throw new DeepWatchError('format_mismatch', `The files of a source must be of one format; ${one}, ${two}.`)
}

/** Folder names are columns of Parquet alone: of other files such a column would be missing without a word. */
function withPartitions(format: Format, files: readonly FoundFile[]): Format {
  const [column] = files.flatMap(({ original }) => Object.keys(original.partitions))
  if (column === undefined || format.id === 'parquet') return format
  const detail = `Folders like ${column.slice(0, 100)}=… are columns of Parquet files alone, and these are ${format.title}.`
  throw new DeepWatchError('format_mismatch', `${detail} Write Parquet, or name the files of one such folder.`)
}

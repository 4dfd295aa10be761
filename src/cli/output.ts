/** Where a command's bytes go: standard output, or a file that appears whole or not at all. */
import { randomBytes } from 'node:crypto'
import { copyFile, type FileHandle, lstat, open, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { DeepWatchError } from '../errors.ts'

export interface Output {
  write(chunk: string | Uint8Array): Promise<void>
  /** The bytes are complete. */
  finish(): Promise<void>
  /** They will never be. Idempotent, never throws; does nothing after `finish`. */
  discard(): Promise<void>
}

/** Standard output, through the call's own printing. */
export function toStdout(print: (text: string | Uint8Array) => Promise<void>): Output {
  return { write: print, finish: async () => {}, discard: async () => {} }
}

/** A file, written beside itself under another name and renamed when it is complete. Errors: `storage_error`, `storage_full`. */
export async function toFile(path: string): Promise<Output> {
  const target = await openTarget(path)
  let handle: FileHandle | null
  try {
    handle = await open(target.temporary, 'wx')
  } catch (error) {
    throw storageFailure(error, path)
  }
  const close = async () => {
    const open = handle
    handle = null
    await open?.close()
  }
  return {
    async write(chunk) {
      try {
        await handle!.writeFile(chunk)
      } catch (error) {
        throw storageFailure(error, path)
      }
    },
    async finish() {
      await close()
      await target.commit()
    },
    async discard() {
      await close().catch(() => {})
      await target.discard()
    },
  }
}

/** A file to be written by somebody else, under `temporary`. */
export interface Target {
  /** Absolute; in the folder of the file, so that the rename is one. */
  readonly temporary: string
  /** Puts it in place. */
  commit(): Promise<void>
  /** Idempotent, never throws. */
  discard(): Promise<void>
}

/** Errors: `storage_error` for a folder that is not there or a name that is a folder. */
export async function openTarget(path: string): Promise<Target> {
  const name = basename(resolve(path))
  let folder: string
  try {
    folder = await realpath(dirname(resolve(path)))
  } catch (error) {
    throw storageFailure(error, path)
  }
  const final = join(folder, name)
  const there = await lstat(final).catch(() => null)
  if (there !== null && !there.isFile() && !there.isSymbolicLink()) {
    throw new DeepWatchError('storage_error', `${show(path)} is there already and is not a file.`)
  }
  // Short, so that a name of any length that the file system takes can be written.
  const temporary = join(folder, `.deepwatch-${randomBytes(6).toString('hex')}.tmp`)
  return {
    temporary,
    async commit() {
      try {
        await rename(temporary, final)
      } catch (error) {
        throw storageFailure(error, path)
      }
    },
    async discard() {
      await rm(temporary, { force: true }).catch(() => {})
    },
  }
}

/** Puts a file of ours where the user wants it, whole or not at all; `from` may lie on another disk. */
export async function moveInPlace(from: string, path: string): Promise<void> {
  const target = await openTarget(path)
  try {
    await rename(from, target.temporary).catch(() => copyFile(from, target.temporary))
    await target.commit()
  } catch (error) {
    await target.discard()
    throw error instanceof DeepWatchError ? error : storageFailure(error, path)
  }
}

/** The user named the path: it may be shown to them. */
export function storageFailure(error: unknown, path: string): DeepWatchError {
  const code = (error as NodeJS.ErrnoException).code
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new DeepWatchError('storage_full', 'The disk is full.', { cause: error })
  const why: Readonly<Record<string, string>> = {
    ENOENT: 'its folder does not exist',
    EACCES: 'permission denied',
    EROFS: 'the file system is read-only',
    ENOTDIR: 'its folder is not a folder',
    ENAMETOOLONG: 'the name is too long',
  }
  const reason = why[code ?? ''] ?? code ?? 'unknown reason'
  return new DeepWatchError('storage_error', `${show(path)} cannot be written: ${reason}.`, { cause: error })
}

/** A path as one line can show it. */
export const show = (path: string): string => JSON.stringify(path.length > 200 ? `${path.slice(0, 200)}…` : path)

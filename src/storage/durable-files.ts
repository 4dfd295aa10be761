/** Durable files: whole or not there, and safe from a power cut once a call returns. Every room that keeps state writes by this. */
import { createHash, randomBytes } from 'node:crypto'
import { constants, mkdir, open, rename, rm, rmdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { DeepWatchError } from '../errors.ts'

type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>

export type Disk = typeof realDisk

/** The calls that change the state folder. Their order decides what survives a power cut, so tests replace them. */
export const realDisk = {
  /** Creates a folder below an existing one; false when it was there. */
  async makeFolder(path: string): Promise<boolean> {
    try {
      await mkdir(path, { mode: 0o700 })
      return true
    } catch (error) {
      if (errorCode(error) === 'EEXIST') return false
      throw error
    }
  },
  async writeSynced(path: string, chunks: Chunks): Promise<void> {
    const file = await open(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600)
    try {
      for await (const chunk of chunks) await file.writeFile(chunk)
      await file.sync()
    } finally {
      await file.close()
    }
  },
  rename: (from: string, to: string) => rename(from, to),
  /** Makes the entries of a folder durable: files created, renamed or removed in it. */
  async syncFolder(path: string): Promise<void> {
    const folder = await open(path, constants.O_RDONLY | constants.O_DIRECTORY)
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  },
  unlink: (path: string) => unlink(path),
  /** Fails unless the folder is empty. */
  removeFolder: (path: string) => rmdir(path),
  removeTree: (path: string) => rm(path, { recursive: true, force: true }),
}

/** Names of files that are being written; what a killed process left of them is swept at start. */
export const temporaryName = /^\.tmp-[0-9a-f]{16}$/
export const newTemporaryName = () => `.tmp-${randomBytes(8).toString('hex')}`

/**
 * Puts a file in place, whole or not at all, and durable when this returns. After a failure it is never synced again, which
 * would prove nothing. Throws what the disk threw; `renamed` tells that the file had taken its place.
 */
export async function putInPlace(
  disk: Disk,
  folder: string,
  name: string,
  chunks: Chunks,
  renamed: () => void = () => {},
): Promise<void> {
  const temporary = join(folder, newTemporaryName())
  try {
    await disk.writeSynced(temporary, chunks)
    await disk.rename(temporary, join(folder, name))
  } catch (error) {
    await tryTo(() => disk.unlink(temporary))
    throw error
  }
  renamed()
  await disk.syncFolder(folder)
}

/** Does what may fail without harm; tells whether it succeeded. */
export async function tryTo(action: () => Promise<unknown>): Promise<boolean> {
  try {
    await action()
    return true
  } catch {
    return false
  }
}

/** SHA-256 of a value as JSON, hex: the checksum of a stored record. */
export const digestOf = (value: unknown): string =>
  createHash('sha256')
    .update(JSON.stringify(value) ?? '')
    .digest('hex')

/** The code the operating system gave, such as 'ENOENT'. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** What a failed call on the state folder is to the client: 'storage_full' or 'storage_error'. Our own errors pass. */
export function storageFailure(error: unknown): DeepWatchError {
  if (error instanceof DeepWatchError) return error
  const code = errorCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new DeepWatchError('storage_full', 'The storage is full.', { cause: error })
  }
  return new DeepWatchError('storage_error', 'The storage failed.', { cause: error })
}

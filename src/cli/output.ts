/** Where a command's bytes go: standard output, or a file that appears whole or not at all. */
import { randomBytes } from 'node:crypto'
import { copyFile, lstat, open, realpath, rename, rm } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { DeepWatchError } from '../errors.ts'
import type { Call } from './command.ts'
import { show } from './usage.ts'

export type Write = Call['print']

/** Lets `write` write to `--out`, or to standard output where it is - or none. Errors: those of `wholeFile`. */
export function writing<Result>(call: Call, write: (write: Write) => Promise<Result>): Promise<Result> {
  const out = call.text('out') ?? '-'
  if (out === '-') return write(call.print)
  return wholeFile(out, async (temporary) => {
    const file = await open(temporary, 'wx').catch(fail(out))
    try {
      return await write((chunk) => file.writeFile(chunk).catch(fail(out)))
    } finally {
      await file.close()
    }
  })
}

/** The same for pieces that are there or come. */
export function writePieces(call: Call, pieces: AsyncIterable<string | Uint8Array>): Promise<void> {
  return writing(call, async (write) => {
    for await (const piece of pieces) await write(piece)
  })
}

/** Puts a file of ours where the user wants it, whole or not at all; `from` may lie on another disk. */
export function moveInPlace(from: string, path: string): Promise<void> {
  return wholeFile(path, (temporary) =>
    rename(from, temporary)
      .catch(() => copyFile(from, temporary))
      .catch(fail(path)),
  )
}

/** Lets `make` make a file beside `path`, then renames it. Errors: `storage_error`, `storage_full`. */
export async function wholeFile<Result>(path: string, make: (temporary: string) => Promise<Result>): Promise<Result> {
  const final = await openTarget(path)
  // Short, so that a name of any length that the file system takes can be written.
  const temporary = join(dirname(final), `.deepwatch-${randomBytes(6).toString('hex')}.tmp`)
  try {
    const result = await make(temporary)
    await rename(temporary, final).catch(fail(path))
    return result
  } finally {
    await rm(temporary, { force: true }).catch(() => {})
  }
}

/** The real path of a file to be. Errors: `storage_error` for a folder that is not there or a name that is a folder. */
export async function openTarget(path: string): Promise<string> {
  const folder = await realpath(dirname(resolve(path))).catch(fail(path))
  const final = join(folder, basename(resolve(path)))
  const there = await lstat(final).catch(() => null)
  if (there === null || there.isFile() || there.isSymbolicLink()) return final
  throw new DeepWatchError('storage_error', `${show(path)} is there already and is not a file.`)
}

const fail = (path: string) => (error: unknown) => {
  throw storageFailure(error, path)
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its folder does not exist',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'its folder is not a folder',
  ENAMETOOLONG: 'the name is too long',
}

/** The user named the path: it may be shown to them. */
export function storageFailure(error: unknown, path: string): DeepWatchError {
  const { code = 'unknown reason' } = error as NodeJS.ErrnoException
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new DeepWatchError('storage_full', 'The disk is full.', { cause: error })
  return new DeepWatchError('storage_error', `${show(path)} cannot be written: ${reasons[code] ?? code}.`, {
    cause: error,
  })
}

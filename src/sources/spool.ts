import { createHash, randomBytes } from 'node:crypto'
import { mkdir, open, readdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { DeepWatchError } from '../errors.ts'

export type Spool = ReturnType<typeof openSpool>

/** A file being spooled. */
export type SpoolWriter = Awaited<ReturnType<Spool['create']>>

/**
 * The folder for files that live as long as one request; all of them together keep within one quota. Names are random: nothing
 * from outside ever becomes part of a path.
 */
export function openSpool(home: string, quotaBytes: number) {
  const folder = join(home, 'spool')
  let used = 0

  async function create() {
    let handle: Awaited<ReturnType<typeof open>> | null
    const path = join(folder, `${randomBytes(16).toString('hex')}.spool`)
    try {
      await mkdir(folder, { recursive: true, mode: 0o700 })
      handle = await open(path, 'wx', 0o600)
    } catch (cause) {
      throw storageError(cause)
    }
    const hash = createHash('sha256')
    let bytes = 0
    let removed = false

    async function close(): Promise<void> {
      const open = handle
      handle = null
      await open?.close()
    }

    return {
      path,
      /** Bytes written so far. */
      get bytes() {
        return bytes
      },
      /** Appends. Throws `storage_full` when the quota or the disk is used up, `storage_error` for other failures. */
      async write(chunk: Uint8Array): Promise<void> {
        if (used + chunk.length > quotaBytes) {
          throw new DeepWatchError('storage_full', 'There is no room for more uploads at the moment.')
        }
        used += chunk.length
        bytes += chunk.length
        hash.update(chunk)
        try {
          await handle?.writeFile(chunk)
        } catch (cause) {
          throw storageError(cause)
        }
      },
      /** Closes the file and gives its SHA-256 in hexadecimal. */
      async finish(): Promise<string> {
        await close()
        return hash.digest('hex')
      },
      /** Removes the file and gives its bytes back to the quota. Idempotent, never throws. */
      async remove(): Promise<void> {
        if (removed) return
        removed = true
        used -= bytes
        await close().catch(() => {})
        await rm(path, { force: true }).catch(() => {})
      },
    }
  }

  /** Removes everything; only for the start of the process. */
  async function sweep(): Promise<void> {
    const names = await readdir(folder).catch(() => [])
    for (const name of names) await rm(join(folder, name), { recursive: true, force: true }).catch(() => {})
  }

  return { create, sweep }
}

function storageError(cause: unknown): DeepWatchError {
  const code = (cause as NodeJS.ErrnoException).code
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new DeepWatchError('storage_full', 'The disk is full.', { cause })
    : new DeepWatchError('storage_error', 'The upload could not be stored.', { cause })
}

import { closeSync, constants, existsSync, fstatSync, openSync } from 'node:fs'
import { DeepWatchError } from '../../../src/errors.ts'
import type { CommandFile } from '../../../src/reader/index.ts'
import { identityOf } from '../../../src/sources/index.ts'

/** An opened file of the source. `path` is what the database is given. */
export interface OpenFile {
  readonly fd: number
  readonly path: string
  readonly name: string
  readonly bytes: number
  readonly partitions: Readonly<Record<string, string | null>>
}

/** A name for an open file that has no character a glob would read, and that nobody can swap for another file. */
const DESCRIPTORS = '/proc/self/fd'

/**
 * Opens the files of a source and makes sure that they are the ones that were checked. On Linux the database is handed
 * the descriptor's name; elsewhere the path, where a name that the database would read as a glob is refused.
 * Throws `source_changed`, `source_unreadable`.
 */
export function openFiles(files: readonly CommandFile[]): OpenFile[] {
  const byDescriptor = existsSync(DESCRIPTORS)
  return files.map(({ path, name, identity, partitions }) => {
    const fd = openOne(path, name)
    const now = identityOf(fstatSync(fd, { bigint: true }))
    const same =
      now.dev === identity.dev &&
      now.ino === identity.ino &&
      now.size === identity.size &&
      now.mtimeNs === identity.mtimeNs
    if (!same) {
      closeSync(fd)
      throw new DeepWatchError('source_changed', `The file ${name} changed before it was read.`)
    }
    if (!byDescriptor && /[*?[\]]/.test(path)) {
      throw new DeepWatchError('path_not_allowed', 'A path with one of * ? [ ] cannot be read on this system.')
    }
    return { fd, path: byDescriptor ? `${DESCRIPTORS}/${fd}` : path, name, bytes: now.size, partitions }
  })
}

function openOne(path: string, name: string): number {
  try {
    return openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    const gone = (error as NodeJS.ErrnoException).code === 'ENOENT'
    throw new DeepWatchError(gone ? 'source_changed' : 'source_unreadable', `The file ${name} could not be opened.`)
  }
}

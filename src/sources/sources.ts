import { lstat, stat } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { isDeepStrictEqual } from 'node:util'
import { DeepWatchError } from '../errors.ts'
import {
  type Format,
  type FormatId,
  formatOf,
  HEAD_BYTES,
  recognise,
  recogniseFile,
  type Sample,
  TAIL_BYTES,
} from '../formats/index.ts'
import { type CheckedFile, checkFile, identityOf, listFolder, openChecked, openRoots, resolveInside } from './paths.ts'
import { openSpool, type SpoolWriter } from './spool.ts'
import { checkDigest, receive, type UploadLimits } from './upload.ts'

export type { FormatId }

/** Something readable, made by one of the functions of `Sources`. */
export interface Source {
  readonly kind: 'path' | 'upload' | 'rows'
  readonly format: FormatId
  /** At least one; in reading order. */
  readonly files: readonly CheckedFile[]
  /** A folder was named: folder names like `host=a` below it are partition columns. */
  readonly hive: boolean
  /** Bytes of all files. */
  readonly bytes: number
  /** SHA-256 of an upload or of spooled rows, hexadecimal. */
  readonly digest?: string | undefined
  /** Throws `source_changed` when a file is not the one that was opened. */
  verifyUnchanged(): Promise<void>
  /** Removes what was spooled. Idempotent; never throws. */
  dispose(): Promise<void>
}

interface UploadOptions {
  /** The declared media type, parameters and all; null without one. */
  readonly mediaType: string | null
  /** The `Content-Digest` field (RFC 9530); only `sha-256` is checked. */
  readonly contentDigest?: string | null | undefined
  readonly signal?: AbortSignal | undefined
}

export interface SourceLimits extends UploadLimits {
  /** The state folder; uploads are spooled to `spool/` below it. */
  readonly home: string
  /** Folders whose files may be named by path; none means that paths are refused. */
  readonly roots: readonly string[]
  /** Files one source may have. */
  readonly maxFiles: number
  /** Bytes of all spooled files together. */
  readonly spoolBytes: number
}

export type Sources = ReturnType<typeof createSources>

const ROWS_CHUNK = 1 << 20

/** The sources of one service. Errors are those of `paths.ts`, `upload.ts` and `recognise`. */
export function createSources(limits: SourceLimits) {
  const spool = openSpool(limits.home, limits.spoolBytes)

  /** One file, a list of files in the given order, or a folder of Parquet files by path bytes. */
  async function fromPaths(paths: string | readonly string[]): Promise<Source> {
    const spellings = typeof paths === 'string' ? [paths] : paths
    if (spellings.length === 0) throw new DeepWatchError('source_empty', 'The list of files is empty.')
    if (spellings.length > limits.maxFiles) {
      throw new DeepWatchError('too_many_files', `A source may have at most ${limits.maxFiles} files.`)
    }
    const roots = await openRoots(limits.roots)
    const files: CheckedFile[] = []
    for (const spelling of spellings) {
      const path = await resolveInside(spelling, roots)
      const isFolder = (await lstat(path).catch(() => null))?.isDirectory() ?? false
      if (!isFolder) files.push(await checkFile(path))
      else if (typeof paths === 'string') {
        const all = await listFolder(path, roots, limits.maxFiles)
        return pathSource(await oneFormat(all), all, true)
      } else throw new DeepWatchError('source_not_regular', 'A list names files; a folder stands alone.')
    }
    return pathSource(await oneFormat(files), files, false)
  }

  async function fromUpload(stream: Readable, options: UploadOptions): Promise<Source> {
    // It may fail before it is listened to; its failure is met when it is read.
    stream.on('error', () => {})
    const fill = (writer: SpoolWriter) => receive(stream, writer, limits, options.signal)
    return spooled('upload', 'The body is empty.', fill, async ({ path }, digest) => {
      checkDigest(options.contentDigest, digest)
      return recognise(await sampleOf(path), options.mediaType)
    })
  }

  /** Plain objects with JSON values, spooled as NDJSON. */
  async function fromRows(rows: Iterable<object>): Promise<Source> {
    const fill = async (writer: SpoolWriter) => {
      for (const chunk of lines(rows)) await writer.write(Buffer.from(chunk))
    }
    return spooled('rows', 'There is no row.', fill, async () => formatOf('ndjson'))
  }

  /** A source from what `fill` writes, of the format that `judge` finds. Nothing of it is left when anything fails. */
  async function spooled(
    kind: 'upload' | 'rows',
    empty: string,
    fill: (writer: SpoolWriter) => Promise<void>,
    judge: (writer: SpoolWriter, digest: string) => Promise<Format>,
  ): Promise<Source> {
    const writer = await spool.create()
    try {
      await fill(writer)
      const digest = await writer.finish()
      const { path, bytes } = writer
      if (bytes === 0) throw new DeepWatchError('source_empty', empty)
      const format = await judge(writer, digest)
      const identity = identityOf(await stat(path, { bigint: true }))
      return {
        kind,
        format: format.id,
        files: [{ path, name: 'upload', bytes, identity, partitions: {} }],
        hive: false,
        bytes,
        digest,
        verifyUnchanged: async () => {},
        dispose: () => writer.remove(),
      }
    } catch (error) {
      await writer.remove()
      throw error
    }
  }

  return { fromPaths, fromUpload, fromRows, sweep: spool.sweep }
}

function pathSource(format: Format, files: readonly CheckedFile[], hive: boolean): Source {
  return {
    kind: 'path',
    format: format.id,
    files,
    hive,
    bytes: files.reduce((sum, file) => sum + file.bytes, 0),
    async verifyUnchanged() {
      for (const { path, name, identity } of files) {
        const now = await stat(path, { bigint: true }).then(identityOf, () => null)
        if (!isDeepStrictEqual(now, identity))
          throw new DeepWatchError('source_changed', `The file ${name} changed while it was read.`)
      }
    },
    dispose: async () => {},
  }
}

/** The one format all files have. */
async function oneFormat(files: readonly CheckedFile[]): Promise<Format> {
  let common: Format | null = null
  for (const { path, name } of files) {
    const format = recogniseFile(await sampleOf(path), name)
    if (common !== null && common !== format) {
      throw new DeepWatchError(
        'format_mismatch',
        `The files of a source must be one format; ${name} is ${format.title}.`,
      )
    }
    common = format
  }
  return common as Format
}

async function sampleOf(path: string): Promise<Sample> {
  const { handle, identity } = await openChecked(path)
  try {
    const bytes = identity.size
    const head = Buffer.alloc(Math.min(HEAD_BYTES, bytes))
    const tail = Buffer.alloc(Math.min(TAIL_BYTES, bytes))
    const { bytesRead } = await handle.read(head, 0, head.length, 0)
    await handle.read(tail, 0, tail.length, bytes - tail.length)
    return { head: head.subarray(0, bytesRead), tail, bytes }
  } finally {
    await handle.close()
  }
}

function* lines(rows: Iterable<object>): Generator<string> {
  let chunk = ''
  for (const row of rows) {
    chunk += `${JSON.stringify(row)}\n`
    if (chunk.length >= ROWS_CHUNK) {
      yield chunk
      chunk = ''
    }
  }
  if (chunk !== '') yield chunk
}

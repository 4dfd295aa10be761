import type { Readable } from 'node:stream'
import { DeepWatchError } from '../errors.ts'
import { type Format, formatOf, recognise, recogniseFile, type Sample } from '../formats/index.ts'
import type { Packing } from '../packing/index.ts'
import { findFiles } from './find.ts'
import { type CheckedFile, openRoots } from './paths.ts'
import { makePlain } from './plain.ts'
import { type FoundFile, type OpenedFile, pathSource, removeAll, type Source, spooledSource } from './source.ts'
import { openSpool, type SpoolWriter } from './spool.ts'
import { checkDigest, receive, type UploadLimits } from './upload.ts'

interface UploadOptions {
  /** The declared media type, parameters and all; null without one. */
  readonly mediaType: string | null
  /** What `Content-Encoding` says that the body is packed with; null leaves that to the content. */
  readonly encoding?: Packing | null | undefined
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

/** The sources of one service. Errors are those of `find.ts`, `plain.ts`, `upload.ts` and `recognise`. */
export function createSources(limits: SourceLimits) {
  const spool = openSpool(limits.home, limits.spoolBytes)

  /**
   * One file, a list of files in the given order, or a folder or a pattern, whose files are read by path bytes. Packed files are
   * unpacked into the spool.
   */
  async function fromPaths(paths: string | readonly string[], signal?: AbortSignal): Promise<Source> {
    const { files, isFolder } = await findFiles(paths, await openRoots(limits.roots), limits.maxFiles)
    const found: FoundFile[] = []
    try {
      for (const original of files) found.push({ original, ...(await openNamed(original, signal)) })
    } catch (error) {
      await removeAll(found)
      throw error
    }
    return pathSource(found, isFolder)
  }

  /** A file by its path. Errors name it. */
  async function openNamed({ path, name }: CheckedFile, signal: AbortSignal | undefined): Promise<OpenedFile> {
    try {
      return await open(path, (sample) => recogniseFile(sample, name), signal)
    } catch (error) {
      if (!(error instanceof DeepWatchError)) throw error
      const facts = { ...error.facts, file: name }
      throw new DeepWatchError(error.code, `${name}: ${error.message}`, { facts, cause: error.cause })
    }
  }

  /** A file made plain and recognised by `judge`. Nothing of it stays in the spool when that fails. */
  async function open(
    path: string,
    judge: (sample: Sample, packing: Packing | null) => Format,
    signal: AbortSignal | undefined,
  ): Promise<OpenedFile> {
    const plain = await makePlain(path, spool, limits.uploadBytes, signal)
    try {
      return { plain, format: judge(plain.sample, plain.packing) }
    } catch (error) {
      await plain.remove()
      throw error
    }
  }

  function fromUpload(stream: Readable, options: UploadOptions): Promise<Source> {
    const { mediaType, encoding = null, contentDigest, signal } = options
    // It may fail before it is listened to; its failure is met when it is read.
    stream.on('error', () => {})
    const fill = (writer: SpoolWriter) => receive(stream, writer, limits, signal)
    return spooled('upload', 'The body is empty.', fill, ({ path }, digest) => {
      checkDigest(contentDigest, digest)
      return open(
        path,
        (sample, packing) => {
          if (encoding !== null && packing !== encoding)
            throw new DeepWatchError(
              'format_mismatch',
              `The body is declared as ${encoding} but does not look like it.`,
            )
          return recognise(sample, mediaType)
        },
        signal,
      )
    })
  }

  /** Plain objects with JSON values, spooled as NDJSON. */
  function fromRows(rows: Iterable<object>): Promise<Source> {
    const fill = async (writer: SpoolWriter) => {
      for (const chunk of lines(rows)) await writer.write(Buffer.from(chunk))
    }
    return spooled('rows', 'There is no row.', fill, ({ path }) => open(path, () => formatOf('ndjson'), undefined))
  }

  /** A source from what `fill` writes and `judge` opens. Nothing of it is left when anything fails. */
  async function spooled(
    kind: 'upload' | 'rows',
    empty: string,
    fill: (writer: SpoolWriter) => Promise<void>,
    judge: (writer: SpoolWriter, digest: string) => Promise<OpenedFile>,
  ): Promise<Source> {
    const writer = await spool.create()
    try {
      await fill(writer)
      const digest = await writer.finish()
      const { bytes, remove } = writer
      if (bytes === 0) throw new DeepWatchError('source_empty', empty)
      return await spooledSource(kind, { bytes, digest, remove }, await judge(writer, digest))
    } catch (error) {
      await writer.remove()
      throw error
    }
  }

  return { fromPaths, fromUpload, fromRows, sweep: spool.sweep }
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

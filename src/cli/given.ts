/** What the words of a call name: files, a verb, a model, a service. The folders of named files become its data roots. */
import { constants, createReadStream, openSync } from 'node:fs'
import { realpath, stat } from 'node:fs/promises'
import { Socket } from 'node:net'
import { basename, dirname, join } from 'node:path'
import type { Readable } from 'node:stream'
import { DeepWatchError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
import type { ModelSummary } from '../registry/index.ts'
import { modelReferencePattern } from '../schemas/index.ts'
import type { Source, Sources } from '../sources/index.ts'
import type { Call } from './command.ts'
import { show, unused, wrong } from './usage.ts'

export interface Telemetry {
  readonly roots: readonly string[]
  /** The `source` of the settings; undefined when an upload is the source. */
  readonly source: { readonly path: string | string[] } | undefined
  /** Spools what comes as a stream, else null. The caller disposes of it. */
  upload(sources: Sources, signal: AbortSignal): Promise<Source | null>
}

/** Errors: `validation_failed` without a file or with a stream among several, `source_not_found`, `source_unreadable`. */
export async function givenTelemetry(call: Call): Promise<Telemetry> {
  const found = await Promise.all(givenNames(call).map(look))
  if (found.some(({ isStream }) => isStream)) {
    if (found.length > 1) throw wrong('standard input, a pipe or a file with several names (hard links) stands alone.')
    return {
      roots: [],
      source: undefined,
      upload: (sources, signal) => spool(sources, openStream(call, found[0]!), signal),
    }
  }
  const paths = found.map(({ path }) => path)
  return {
    roots: [...new Set(found.map(({ path, isFolder }) => (isFolder ? path : dirname(path))))],
    source: { path: paths.length === 1 ? paths[0]! : paths },
    upload: async () => null,
  }
}

/** The one file that a service is to read, to be opened. Errors: those of `givenTelemetry`, also for a folder. */
export async function givenStream(call: Call): Promise<() => Readable> {
  const [name, ...more] = givenNames(call)
  if (more.length > 0) throw wrong('--server: a service takes one file at a time.')
  const found = await look(name!)
  if (found.isFolder) throw wrong(`--server: a service takes a file, and ${show(name!)} is a folder.`)
  return () => openStream(call, found)
}

function givenNames({ operands, command }: Call): readonly string[] {
  if (operands.length > 0) return operands
  throw wrong(`${command.name} needs a file; - is standard input.`)
}

async function spool(sources: Sources, stream: Readable, signal: AbortSignal): Promise<Source> {
  const stop = () => stream.destroy()
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await sources.fromUpload(stream, { mediaType: null, signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', stop)
    stream.destroy()
  }
}

interface Found {
  /** Real, or - for standard input. */
  readonly path: string
  readonly isFolder: boolean
  readonly isStream: boolean
  readonly isPipe: boolean
}

/** A pipe is waited for, not opened: opening one that nobody writes to would hold a thread that no interrupt reaches. */
function openStream(call: Call, { path, isPipe }: Found): Readable {
  if (path === '-') return call.stdin
  if (!isPipe) return createReadStream(path)
  return new Socket({ fd: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK), readable: true, writable: false })
}

async function look(name: string): Promise<Found> {
  if (name === '-') return { path: name, isFolder: false, isStream: true, isPipe: false }
  try {
    const path = await realpath(name)
    const found = await stat(path)
    const isFolder = found.isDirectory()
    // A file with several names is refused by path, where a client could have linked it there; here it is read as it comes.
    return { path, isFolder, isStream: !isFolder && (!found.isFile() || found.nlink > 1), isPipe: found.isFIFO() }
  } catch (error) {
    // A pipe of a shell, such as <(zcat x), has no real path.
    const stream = await stat(name).catch(() => null)
    if (stream?.isFIFO() || stream?.isCharacterDevice())
      return { path: name, isFolder: false, isStream: true, isPipe: stream.isFIFO() }
    const { code } = error as NodeJS.ErrnoException
    const folder = /[*?]/.test(basename(name)) ? await realpath(dirname(name)).catch(() => null) : null
    // The shell leaves a pattern in quotes to us.
    if (code === 'ENOENT' && folder !== null)
      return { path: join(folder, basename(name)), isFolder: false, isStream: false, isPipe: false }
    if (code === 'ENOENT' || code === 'ENOTDIR')
      throw new DeepWatchError('source_not_found', `There is no file ${show(name)}.`)
    throw new DeepWatchError('source_unreadable', `${show(name)} cannot be opened (${code}).`, { cause: error })
  }
}

/** Refuses what a command does not take. */
export function noOperands({ operands, command }: Call): void {
  if (operands.length > 0) throw wrong(`${command.name} takes no ${show(operands[0]!)}.`)
}

/** What to do, `list` when nothing is named, and to what: empty for a list. Error: `validation_failed`. */
export function verbOf({ command: { name }, operands }: Call, verbs: readonly string[]) {
  const [verb = 'list', operand, ...more] = operands
  if (!verbs.includes(verb))
    throw wrong(`${name} knows no ${show(verb)}${didYouMean(verb, verbs)}; there are ${verbs.join(', ')}.`)
  if (more.length > 0 || (verb === 'list') !== (operand === undefined))
    throw wrong(`${name} ${verb} takes ${verb === 'list' ? 'nothing' : `one ${name.slice(0, -1)}`} more.`)
  return { verb, operand: operand ?? '' }
}

/** Whether a command is to ask a service. Error: `unused_setting` for a token without one. */
export function isRemote(call: Call): boolean {
  const isAsked = call.text('server') !== undefined
  if (!isAsked && call.text('token') !== undefined) throw unused('--token: is for a service; name it with --server.')
  return isAsked
}

/** The `--model` of a call. Error: `validation_failed` without one, and for the path of a file where a service is asked. */
export function namedModel(call: Call): string {
  const named = call.text('model')
  if (named === undefined) throw wrong('--model is needed: NAME, NAME@3 or the path of a model file.')
  if (call.text('server') !== undefined && !modelReferencePattern.test(named))
    throw wrong('--model: a service knows NAME or NAME@3.')
  return named
}

/** `NAME` or `NAME@V`, taken apart; `version` is null where none is named. Error: `invalid_id`. */
export function splitReference(reference: string): { name: string; version: string | null } {
  const [, name, version] = modelReferencePattern.exec(reference) ?? []
  if (name === undefined) throw new DeepWatchError('invalid_id', `${show(reference)} is no model: NAME or NAME@V.`)
  return { name, version: version ?? null }
}

/** The version that is meant by the name alone. */
export const servingOf = ({ serving, newest }: ModelSummary): string => String(serving ?? newest)

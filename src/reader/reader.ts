import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { DeepWatchError } from '../errors.ts'
import { createGate } from '../flow.ts'
import type { Source } from '../sources/index.ts'
import { FRAME, type OpenCommand } from './frames.ts'
import { ReaderProcess } from './process.ts'
import { createSession, deathOf } from './session.ts'
import { Spare } from './spare.ts'
import type { OpenOptions, ReaderHooks, ReaderLimits, ReaderSession, Readers } from './types.ts'

const WATCH_MS = 200
const PAGE_BYTES = 4_096

/**
 * The reading processes: one per session, never used again, at most `readers` at once. A spare is kept warm and replaced in the
 * background.
 */
export function createReaders(limits: ReaderLimits, hooks: ReaderHooks = {}): Readers {
  const homeFolder = join(limits.home, 'reader-home')
  const gate = createGate(limits.readers, limits.queue, 'Too many sources are waiting to be read.')
  const active = new Set<ReaderProcess>()
  const closing = new AbortController()

  function startProcess(): ReaderProcess {
    mkdirSync(homeFolder, { recursive: true, mode: 0o700 })
    return new ReaderProcess({ ...limits, homeFolder })
  }

  const spare = new Spare(startProcess, (error) =>
    hooks.log?.('a reading process could not be started', { error: String(error) }),
  )

  /** Waits for a process to answer, which may take long; whoever gives up, or closes all, ends it. */
  async function answered(child: ReaderProcess, answer: () => Promise<void>, signal: AbortSignal) {
    const abort = (): void => child.kill(signal.reason as Error)
    active.add(child)
    void child.gone.then(() => active.delete(child))
    signal.addEventListener('abort', abort, { once: true })
    try {
      await answer()
    } finally {
      signal.removeEventListener('abort', abort)
    }
    return child
  }

  async function takeProcess(signal: AbortSignal): Promise<ReaderProcess> {
    const warm = spare.take()
    if (warm !== null) {
      try {
        // What kills it from here on may be the source; before, it was not.
        return await answered(warm, () => warm.ready.then(() => warm.ping()), signal)
      } catch {
        signal.throwIfAborted()
      }
    }
    const cold = startProcess()
    return answered(cold, () => cold.ready, signal)
  }

  /** Opens a session and hands it to `opened`; fulfils when its process is gone. */
  async function run(
    source: Source,
    options: OpenOptions,
    signal: AbortSignal,
    opened: (session: ReaderSession) => void,
  ): Promise<void> {
    const child = await takeProcess(signal).finally(() => {
      if (limits.once !== true) setImmediate(() => spare.keep())
    })
    child.deathError = () => deathOf(source)
    const watch = watchMemory(child, limits.residentBytes)
    const close = async (error: Error): Promise<void> => {
      child.kill(error)
      await child.gone
    }
    const abort = (): void => void close(signal.reason as Error)
    signal.addEventListener('abort', abort, { once: true })
    if (signal.aborted) abort()
    try {
      const done = () => close(new DeepWatchError('internal_error', 'The session is closed.'))
      const session = createSession(child, source, done)
      await openSource(child, source, options, limits)
      opened(session)
    } catch (error) {
      child.kill(error as Error)
      throw error
    } finally {
      await child.gone
      clearInterval(watch)
      signal.removeEventListener('abort', abort)
      if (child.death !== null) hooks.onDeath?.(child.death)
    }
  }

  spare.keep()
  return {
    open(source, options = {}) {
      const signal = AbortSignal.any([closing.signal, ...(options.signal === undefined ? [] : [options.signal])])
      return new Promise((opened, refused) => {
        gate.run(() => run(source, options, signal, opened), signal).catch(refused)
      })
    },
    get saturated() {
      return gate.saturated
    },
    get queueSize() {
      return gate.waiting
    },
    async close() {
      const error = new DeepWatchError('shutting_down', 'The service is shutting down.')
      closing.abort(error)
      await spare.close(error)
      for (const child of active) child.kill(error)
      await Promise.all([...active].map((child) => child.gone))
    },
  }
}

/** Limits of the reading processes. */
export function readerLimits(config: Config): ReaderLimits {
  return {
    readers: config.DEEPWATCH_READERS,
    queue: config.DEEPWATCH_READER_QUEUE,
    threads: config.readerThreads,
    memoryBytes: config.DEEPWATCH_READER_MEMORY,
    addressSpaceBytes: config.DEEPWATCH_READER_ADDRESS_SPACE,
    residentBytes: config.DEEPWATCH_READER_RESIDENT,
    stallMs: config.DEEPWATCH_READER_STALL_MS,
    maxColumns: config.DEEPWATCH_MAX_COLUMNS,
    maxCells: config.DEEPWATCH_MAX_CELLS,
    maxDecodedTextBytes: config.DEEPWATCH_MAX_TEXT,
    home: config.home,
    once: config.once,
  }
}

async function openSource(
  child: ReaderProcess,
  source: Source,
  options: OpenOptions,
  limits: ReaderLimits,
): Promise<void> {
  const command: OpenCommand = {
    call: 'open',
    format: source.format,
    files: source.files.map(({ path, name, identity, partitions }) => ({ path, name, identity, partitions })),
    outputPath: options.outputPath ?? null,
    types: options.types ?? null,
    expect: options.expect ?? [],
    maxColumns: limits.maxColumns,
    maxCells: limits.maxCells,
    maxDecodedTextBytes: limits.maxDecodedTextBytes,
  }
  child.send(command)
  const { kind, length } = await child.frame()
  if (kind === FRAME.error) throw await child.error(length)
  if (kind !== FRAME.result) throw child.fatal('crash')
  await child.json(length)
}

/** Ends a process whose resident memory passes the limit. Only Linux tells; elsewhere the database's own limit must do. */
function watchMemory(child: ReaderProcess, residentBytes: number): NodeJS.Timeout {
  const timer = setInterval(() => {
    readFile(`/proc/${child.pid}/statm`, 'utf8').then(
      (text) => {
        if (Number(text.split(' ')[1]) * PAGE_BYTES > residentBytes) child.fatal('memory')
      },
      () => clearInterval(timer),
    )
  }, WATCH_MS)
  timer.unref()
  return timer
}

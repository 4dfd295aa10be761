import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { DeepWatchError } from '../errors.ts'
import type { Source } from '../sources/index.ts'
import { FRAME, type OpenCommand } from './frames.ts'
import { ReaderProcess } from './process.ts'
import { createSession, deathOf } from './session.ts'
import type { OpenOptions, ReaderHooks, ReaderLimits, ReaderSession, Readers } from './types.ts'

const WATCH_MS = 200
const PAGE_BYTES = 4_096
/** A spare that does not start is tried again after this long. */
const SPARE_RETRY_MS = 1_000

/**
 * The reading processes: one per session, never used again, at most `readers` at once. A spare is kept warm, with the
 * database loaded, and replaced in the background, so that opening a source costs milliseconds.
 */
export function createReaders(limits: ReaderLimits, hooks: ReaderHooks = {}): Readers {
  const homeFolder = join(limits.home, 'reader-home')
  const active = new Set<ReaderProcess>()
  const waiting: Array<{ enter: () => void; refuse: (error: Error) => void }> = []
  let inside = 0
  let closed = false
  let spare: ReaderProcess | null = null
  let retry: NodeJS.Timeout | null = null

  function startProcess(): ReaderProcess {
    mkdirSync(homeFolder, { recursive: true, mode: 0o700 })
    return new ReaderProcess({ ...limits, homeFolder })
  }

  function keepSpare(): void {
    if (closed || spare !== null || retry !== null) return
    const started = startProcess()
    spare = started
    started.ready.catch((error: unknown) => {
      if (spare === started) spare = null
      if (closed) return
      hooks.log?.('a reading process could not be started', { error: String(error) })
      retry = setTimeout(() => {
        retry = null
        keepSpare()
      }, SPARE_RETRY_MS)
      retry.unref()
    })
    // A spare that dies while it waits is nobody's failure.
    void started.gone.then(() => {
      if (spare === started) spare = null
    })
  }

  /** Waits for a process to answer, which may take long; whoever gives up, or closes all, ends it. */
  async function answered(child: ReaderProcess, answer: () => Promise<void>, signal: AbortSignal | undefined) {
    const abort = (): void => child.kill(signal?.reason as Error)
    active.add(child)
    void child.gone.then(() => active.delete(child))
    signal?.addEventListener('abort', abort, { once: true })
    try {
      await answer()
    } finally {
      signal?.removeEventListener('abort', abort)
    }
    return child
  }

  async function takeProcess(signal: AbortSignal | undefined): Promise<ReaderProcess> {
    const warm = spare
    spare = null
    if (warm !== null) {
      try {
        // What kills it from here on may be the source; before, it was not.
        return await answered(warm, () => warm.ready.then(() => warm.ping()), signal)
      } catch {
        signal?.throwIfAborted()
        if (closed) throw new DeepWatchError('shutting_down', 'The service is shutting down.')
      }
    }
    const cold = startProcess()
    return answered(cold, () => cold.ready, signal)
  }

  async function enter(signal: AbortSignal | undefined): Promise<void> {
    signal?.throwIfAborted()
    if (closed) throw new DeepWatchError('shutting_down', 'The service is shutting down.')
    if (inside < limits.readers) {
      inside++
      return
    }
    if (waiting.length >= limits.queue)
      throw new DeepWatchError('overloaded', 'Too many sources are waiting to be read.')
    await new Promise<void>((enter, refuse) => {
      const place = {
        enter: () => {
          signal?.removeEventListener('abort', abort)
          enter()
        },
        refuse,
      }
      const abort = (): void => {
        waiting.splice(waiting.indexOf(place), 1)
        refuse(signal?.reason as Error)
      }
      signal?.addEventListener('abort', abort, { once: true })
      waiting.push(place)
    })
  }

  /** Hands the place on; it becomes free only when nobody waits. */
  function leave(): void {
    const next = waiting.shift()
    if (next !== undefined) next.enter()
    else inside--
  }

  async function open(source: Source, options: OpenOptions = {}): Promise<ReaderSession> {
    const { signal } = options
    await enter(signal)
    let child: ReaderProcess
    try {
      child = await takeProcess(signal)
    } catch (error) {
      leave()
      throw error
    } finally {
      if (limits.once !== true) setImmediate(keepSpare)
    }
    child.deathError = () => deathOf(source)
    const watch = watchMemory(child, limits.residentBytes)
    let ending: Promise<void> | null = null
    const close = (error: Error = new DeepWatchError('internal_error', 'The session is closed.')): Promise<void> => {
      ending ??= (async () => {
        signal?.removeEventListener('abort', abort)
        child.kill(error)
        await child.gone
      })()
      return ending
    }
    const abort = (): void => void close(signal?.reason as Error)
    void child.gone.then(() => {
      clearInterval(watch)
      leave()
      if (child.death !== null) hooks.onDeath?.(child.death)
    })
    signal?.addEventListener('abort', abort, { once: true })
    if (signal?.aborted === true) abort()
    try {
      const session = createSession(child, source, () => close())
      await openSource(child, source, options, limits)
      return session
    } catch (error) {
      await close()
      throw error
    }
  }

  keepSpare()
  return {
    open,
    get saturated() {
      return inside >= limits.readers && waiting.length >= limits.queue
    },
    get queueSize() {
      return waiting.length
    },
    async close() {
      closed = true
      if (retry !== null) clearTimeout(retry)
      const error = new DeepWatchError('shutting_down', 'The service is shutting down.')
      for (const place of waiting.splice(0)) place.refuse(error)
      const all = [...active, ...(spare === null ? [] : [spare])]
      for (const child of all) child.kill(error)
      await Promise.all(all.map((child) => child.gone))
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

import { mkdirSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config.ts'
import { DeepWatchError } from '../errors.ts'
import { createGate } from '../flow.ts'
import type { Source } from '../sources/index.ts'
import type { OpenCommand } from './frames.ts'
import { ReaderProcess } from './process.ts'
import { createSession, deathOf } from './session.ts'
import type { OpenOptions, ReaderHooks, ReaderLimits, ReaderSession, Readers } from './types.ts'

const WATCH_MS = 200
const PAGE_BYTES = 4_096
/** A spare that does not start is tried again after this long. */
const RETRY_MS = 1_000

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

  const spare = createSpare(startProcess, (error) =>
    hooks.log?.('a reading process could not be started', { error: String(error) }),
  )

  /** A process once it answers, which may take long. Whoever gives up, or closes all, ends it, now and later. */
  async function answering(child: ReaderProcess, answer: Promise<unknown>, signal: AbortSignal) {
    const abort = (): void => child.kill(signal.reason as Error)
    active.add(child)
    signal.addEventListener('abort', abort)
    void child.gone.then(() => {
      active.delete(child)
      signal.removeEventListener('abort', abort)
    })
    if (signal.aborted) abort()
    await answer
    return child
  }

  async function takeProcess(signal: AbortSignal): Promise<ReaderProcess> {
    const warm = spare.take()
    if (warm !== null) {
      try {
        // It may be dead by now, which is told later than it happens. What kills it once it answered may be the source.
        const answer = warm.ready.then(() => warm.call({ call: 'ping' }))
        return await answering(warm, answer, signal)
      } catch {
        signal.throwIfAborted()
      }
    }
    const cold = startProcess()
    return answering(cold, cold.ready, signal)
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
    const close = async (): Promise<void> => {
      child.kill(new DeepWatchError('internal_error', 'The session is closed.'))
      await child.gone
    }
    try {
      await child.call(openCommand(source, options, limits))
      opened(createSession(child, source, close))
    } catch (error) {
      child.kill(error as Error)
      throw error
    } finally {
      await child.gone
      clearInterval(watch)
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

function openCommand(source: Source, options: OpenOptions, limits: ReaderLimits): OpenCommand {
  return {
    call: 'open',
    format: source.format,
    files: source.files.map(({ path, name, identity, partitions }) => ({ path, name, identity, partitions })),
    outputPath: options.outputPath ?? null,
    types: options.types ?? null,
    expect: options.expect ?? [],
    reading: options.reading ?? {},
    maxColumns: limits.maxColumns,
    maxCells: limits.maxCells,
    maxDecodedTextBytes: limits.maxDecodedTextBytes,
  }
}

/**
 * One process that is kept warm, with the database loaded, so that opening a source costs milliseconds.
 * @param onFailure told when a spare could not be started
 */
function createSpare(start: () => ReaderProcess, onFailure: (error: unknown) => void) {
  let spare: ReaderProcess | null = null
  let retry: NodeJS.Timeout | null = null
  let isClosed = false

  /** Starts a spare where there is none. */
  function keep(): void {
    if (isClosed || spare !== null || retry !== null) return
    const started = start()
    spare = started
    const forget = () => {
      if (spare === started) spare = null
    }
    started.ready.catch((error: unknown) => {
      forget()
      if (isClosed) return
      onFailure(error)
      retry = setTimeout(() => {
        retry = null
        keep()
      }, RETRY_MS)
      retry.unref()
    })
    // A spare that dies while it waits is nobody's failure.
    void started.gone.then(forget)
  }

  /** Hands the spare out, if there is one. */
  function take(): ReaderProcess | null {
    const taken = spare
    spare = null
    return taken
  }

  /** Ends the spare, and starts none any more. */
  async function close(error: Error): Promise<void> {
    isClosed = true
    if (retry !== null) clearTimeout(retry)
    const last = take()
    last?.kill(error)
    await last?.gone
  }

  return { keep, take, close }
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

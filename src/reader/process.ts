import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { DeepWatchError, isErrorCode } from '../errors.ts'
import { programs } from '../places.ts'
import { ReaderExchange } from './exchange.ts'
import { type Command, type Failure, FRAME, HEADER_BYTES, type ReaderStart } from './frames.ts'

/** Why a process ended that should not have. */
export type DeathReason = 'crash' | 'fatal' | 'stall' | 'memory'

/** Bytes waiting in the parent before it stops taking more from the pipe. */
const BACKLOG_BYTES = 256 * 1024
const STDERR_BYTES = 4_096
/** Says that a block was taken out of the exchange. */
const taken = new Uint8Array(1)
/** Time a process has to load the database. */
const START_MS = 60_000
const OUT_OF_MEMORY = /out of memory|bad_alloc|Cannot allocate memory|allocation fail/i

export interface ProcessOptions extends Omit<ReaderStart, 'exchange'> {
  readonly addressSpaceBytes: number
  readonly stallMs: number
  /** An empty folder. */
  readonly homeFolder: string
}

/**
 * The parent's end of one reading process: starts it, sends commands, takes frames, and notices every way in which it
 * can fail. Once it failed, every call gives the same error.
 */
export class ReaderProcess {
  /** Settles when the process has said that it is ready; rejects when it cannot start. */
  readonly ready: Promise<void>
  /** Fulfils when the process is gone. */
  readonly gone: Promise<void>
  /** Why it died, when it did so unasked. */
  death: DeathReason | null = null
  private readonly child: ChildProcess
  private readonly answers: Socket
  private readonly exchange: ReaderExchange
  private stallMs: number
  private readonly chunks: Buffer[] = []
  private queued = 0
  private want: { target: Uint8Array; filled: number; done: () => void; fail: (error: Error) => void } | null = null
  private timer: NodeJS.Timeout | null = null
  private failure: Error | null = null
  private stderr = ''
  /** The error an unasked end stands for; a session sets it to its format's. */
  deathError: () => DeepWatchError = () =>
    new DeepWatchError('internal_error', 'The reading process could not be started.')

  constructor(options: ProcessOptions) {
    const { threads, memoryBytes } = options
    // Starting is not reading: it has its own time.
    this.stallMs = START_MS
    this.exchange = new ReaderExchange(options.homeFolder)
    const argument: ReaderStart = { threads, memoryBytes, exchange: this.exchange.fd !== null }
    this.child = start(options, JSON.stringify(argument), this.exchange.fd)
    this.answers = this.child.stdio[3] as Socket
    this.answers.on('data', (chunk: Buffer) => this.receive(chunk))
    this.answers.on('error', () => {})
    // Writing to a process that is gone is noticed by its exit.
    this.child.stdin?.on('error', () => {})
    this.child.stderr?.on('data', (text: Buffer) => {
      this.stderr = (this.stderr + text.toString('latin1')).slice(-STDERR_BYTES)
    })
    this.gone = new Promise((fulfil) => {
      const end = () => {
        if (this.failure === null) this.fatal(OUT_OF_MEMORY.test(this.stderr) ? 'memory' : 'crash')
        this.exchange.end()
        fulfil()
      }
      this.child.once('error', end)
      // `close` comes after the last byte of every pipe: what was said before a death is still heard.
      this.child.once('close', end)
    })
    this.ready = this.frame().then(({ kind }) => {
      if (kind !== FRAME.ready) throw this.fatal('crash')
      this.stallMs = options.stallMs
    })
    this.ready.catch(() => {})
  }

  get pid(): number | undefined {
    return this.child.pid
  }

  send(command: Command): void {
    if (this.failure !== null) throw this.failure
    this.child.stdin?.write(`${JSON.stringify(command)}\n`)
  }

  /** Sends a command that is answered by its result alone, and waits for that. */
  async call(command: Command): Promise<unknown> {
    this.send(command)
    return this.result(await this.frame())
  }

  /** The payload of a `result` frame; throws that of an `error` frame, and ends the process for any other. */
  async result({ kind, length }: { kind: number; length: number }): Promise<unknown> {
    if (kind === FRAME.error) throw await this.error(length)
    if (kind !== FRAME.result) throw this.fatal('crash')
    return this.json(length)
  }

  /** The head of the next frame; heart beats are passed over. */
  async frame(): Promise<{ kind: number; length: number }> {
    const header = new Uint8Array(HEADER_BYTES)
    for (;;) {
      await this.take(header)
      const length = new DataView(header.buffer).getUint32(0, true)
      const kind = header[4] as number
      if (kind !== FRAME.beat) return { kind, length }
    }
  }

  /** Fills `target` with the next bytes. The stall timer runs only in here: a process nobody waits for may wait too. */
  take(target: Uint8Array): Promise<void> {
    if (this.failure !== null && this.queued < target.byteLength) return Promise.reject(this.failure)
    return new Promise((done, fail) => {
      this.want = { target, filled: 0, done, fail }
      this.restartTimer()
      this.pump()
    })
  }

  /** Fills `parts` with the block that a `placed` frame told of. @param placeBytes bytes of a full block of its columns */
  async takePlaced(parts: readonly Uint8Array[], placeBytes: number): Promise<void> {
    await this.exchange.take(parts, placeBytes).catch(() => {
      throw this.fatal('crash')
    })
    this.answers.write(taken)
  }

  private async json(length: number): Promise<unknown> {
    const bytes = new Uint8Array(length)
    await this.take(bytes)
    return JSON.parse(Buffer.from(bytes).toString('utf8'))
  }

  /** The error of an `error` frame. A fatal one ends the process. */
  private async error(length: number): Promise<Error> {
    const failure = (await this.json(length)) as Failure
    const code = isErrorCode(failure.code) ? failure.code : 'internal_error'
    const error = new DeepWatchError(code, failure.detail, {
      facts: failure.facts,
      cause: failure.cause ?? undefined,
    })
    if (failure.fatal) {
      this.death ??= 'fatal'
      this.kill(error)
    }
    return error
  }

  /** Ends the process at once; what waits for it gets `error`. Idempotent. */
  kill(error: Error): void {
    this.fail(error)
    this.child.kill('SIGKILL')
  }

  /** Ends a process that misbehaves and gives the error for it. */
  fatal(reason: DeathReason): Error {
    this.death ??= reason
    const error =
      reason === 'stall'
        ? new DeepWatchError('deadline_exceeded', 'Reading the source made no progress for too long.')
        : reason === 'memory'
          ? new DeepWatchError('decoded_too_large', 'The source needs more memory to decode than is allowed.')
          : this.deathError()
    this.kill(error)
    return this.failure as Error
  }

  private fail(error: Error): void {
    if (this.failure !== null) return
    this.failure = error
    this.stopTimer()
    const { want } = this
    this.want = null
    want?.fail(error)
    this.answers.resume()
  }

  private receive(chunk: Buffer): void {
    if (this.failure !== null) return
    this.chunks.push(chunk)
    this.queued += chunk.length
    if (this.want !== null) this.restartTimer()
    this.pump()
    if (this.queued > BACKLOG_BYTES) this.answers.pause()
  }

  private pump(): void {
    const { want } = this
    if (want === null) return
    while (want.filled < want.target.byteLength) {
      const chunk = this.chunks[0]
      if (chunk === undefined) {
        this.answers.resume()
        return
      }
      const part = Math.min(chunk.length, want.target.byteLength - want.filled)
      want.target.set(part === chunk.length ? chunk : chunk.subarray(0, part), want.filled)
      want.filled += part
      this.queued -= part
      if (part === chunk.length) this.chunks.shift()
      else this.chunks[0] = chunk.subarray(part)
    }
    this.want = null
    this.stopTimer()
    want.done()
  }

  private restartTimer(): void {
    if (this.timer !== null) this.timer.refresh()
    else this.timer = setTimeout(() => this.fatal('stall'), this.stallMs)
  }

  private stopTimer(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    this.timer = null
  }
}

function start(options: ProcessOptions, argument: string, exchange: number | null): ChildProcess {
  // Room for all that starting makes: it is not collected on the way.
  const node = [process.execPath, '--expose-gc', '--no-warnings', programs.reader, argument]
  const bytes = options.addressSpaceBytes
  const limit = process.platform === 'linux' && bytes > 0 ? `ulimit -v ${Math.floor(bytes / 1024)};` : ''
  // The shell replaces itself by the process, so that a signal reaches it. A crash leaves no memory image behind.
  const line = process.platform === 'win32' ? node : ['/bin/sh', '-c', `ulimit -c 0; ${limit} exec "$0" "$@"`, ...node]
  return spawn(line[0] as string, line.slice(1), {
    cwd: options.homeFolder,
    // Nothing of ours is handed on: no secrets, no options. One thread fetches chunks: each that ever did keeps memory of its own.
    env: { HOME: options.homeFolder, LANG: 'C.UTF-8', UV_THREADPOOL_SIZE: '1' },
    stdio: ['pipe', 'ignore', 'pipe', 'pipe', exchange ?? 'ignore'],
  })
}

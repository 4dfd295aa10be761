import type { ReaderProcess } from './process.ts'

/** A spare that does not start is tried again after this long. */
const RETRY_MS = 1_000

/** One process that is kept warm, with the database loaded, so that opening a source costs milliseconds. */
export class Spare {
  readonly #start: () => ReaderProcess
  readonly #onFailure: (error: unknown) => void
  #process: ReaderProcess | null = null
  #retry: NodeJS.Timeout | null = null
  #closed = false

  /** @param onFailure told when a spare could not be started */
  constructor(start: () => ReaderProcess, onFailure: (error: unknown) => void) {
    this.#start = start
    this.#onFailure = onFailure
  }

  /** Starts a spare where there is none. */
  keep(): void {
    if (this.#closed || this.#process !== null || this.#retry !== null) return
    const started = this.#start()
    this.#process = started
    started.ready.catch((error: unknown) => {
      this.#forget(started)
      if (this.#closed) return
      this.#onFailure(error)
      this.#retry = setTimeout(() => {
        this.#retry = null
        this.keep()
      }, RETRY_MS)
      this.#retry.unref()
    })
    // A spare that dies while it waits is nobody's failure.
    void started.gone.then(() => this.#forget(started))
  }

  /** Hands the spare out, if there is one. */
  take(): ReaderProcess | null {
    const taken = this.#process
    this.#process = null
    return taken
  }

  /** Ends the spare, and starts none any more. */
  async close(error: Error): Promise<void> {
    this.#closed = true
    if (this.#retry !== null) clearTimeout(this.#retry)
    const last = this.take()
    last?.kill(error)
    await last?.gone
  }

  #forget(process: ReaderProcess): void {
    if (this.#process === process) this.#process = null
  }
}

import { DeepWatchError } from '../errors.ts'
import type { Source } from '../sources/index.ts'
import { type Command, FRAME } from './frames.ts'
import type { ReaderProcess } from './process.ts'

/** Commands to one process over one source and their answers, one after the other. */
export class Calls {
  readonly #process: ReaderProcess
  readonly #source: Source
  readonly #close: () => Promise<void>
  /** The call that came last; the next one waits for it. */
  #last: Promise<void> = Promise.resolve()

  /** @param close ends the process */
  constructor(process: ReaderProcess, source: Source, close: () => Promise<void>) {
    this.#process = process
    this.#source = source
    this.#close = close
  }

  /** Sends a command, yields its frames, whose payloads are to be taken, and returns the result. */
  async *frames(command: Command): AsyncGenerator<{ kind: number; length: number }, unknown> {
    const before = this.#last
    let leave = () => {}
    this.#last = new Promise((fulfil) => {
      leave = fulfil
    })
    await before
    let ended = false
    try {
      this.#process.send(command)
      for (;;) {
        const frame = await this.#process.frame()
        if (frame.kind === FRAME.result || frame.kind === FRAME.error) {
          ended = true
          if (frame.kind === FRAME.error) throw await this.#process.error(frame.length)
          return await this.#process.json(frame.length)
        }
        yield frame
      }
    } catch (error) {
      ended = true
      // A file that was changed under the reader is a better answer than what it did to the reader.
      if (error instanceof DeepWatchError && error.status === 422) await this.#source.verifyUnchanged()
      throw error
    } finally {
      // The rest of an answer nobody wants cannot be taken back: the process goes.
      if (!ended) await this.#close()
      leave()
    }
  }

  /** Sends a command that is answered by its result alone. */
  async call<Result>(command: Command): Promise<Result> {
    const answer = await this.frames(command).next()
    if (answer.done !== true) throw this.#process.fatal('crash')
    return answer.value as Result
  }
}

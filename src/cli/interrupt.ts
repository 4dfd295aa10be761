/** What ends a command from outside: a signal, or a reader of our output that has gone. */
import { once } from 'node:events'
import { DeepWatchError } from '../errors.ts'

/** As shells count: 128 and the number of the signal. */
const signals = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const

/** The first signal or a closed pipe, which is no failure, cancels the work; a second signal ends the process. */
export function listen() {
  const controller = new AbortController()
  let code: number | null = null
  const listeners = Object.entries(signals).map(([name, number]) => {
    const onSignal = () => {
      if (controller.signal.aborted) process.exit(number)
      code = number
      controller.abort(new DeepWatchError('job_cancelled', `Stopped by ${name}; nothing is left behind.`))
    }
    process.on(name, onSignal)
    return () => process.off(name, onSignal)
  })
  const onClosed = (error: NodeJS.ErrnoException) => {
    code ??= error.code === 'EPIPE' ? 0 : 1
    controller.abort(error)
  }
  process.stdout.on('error', onClosed)
  // Messages that nobody reads are no reason to stop.
  const ignore = () => {}
  process.stderr.on('error', ignore)
  return {
    signal: controller.signal,
    /** The exit code of what came from outside; null when nothing did. */
    exitCode: () => code,
    /** Writes to standard output and waits until it is taken. */
    async print(text: string | Uint8Array): Promise<void> {
      controller.signal.throwIfAborted()
      if (process.stdout.write(text)) return
      await once(process.stdout, 'drain', { signal: controller.signal }).catch(() => controller.signal.throwIfAborted())
    },
    stop(): void {
      for (const stop of listeners) stop()
      process.stderr.off('error', ignore)
      // What was written last may still meet a closed pipe.
      if (!controller.signal.aborted) process.stdout.off('error', onClosed).once('error', ignore)
    },
  }
}

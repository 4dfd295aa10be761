/** Threads that run a program. The only importer of piscina. */
import { Piscina } from 'piscina'

/** JavaScript heap of a thread; typed arrays are not counted by V8 and have to be bounded by the size of what is sent. */
const heapMb = 512

/** As in piscina. `maxQueue` has to be given, as its own default is without a bound. */
type ThreadOptions = NonNullable<ConstructorParameters<typeof Piscina>[0]> & { readonly maxQueue: number }

export type Threads = ReturnType<typeof startThreads>

/** Starts threads for a program. They inherit neither secrets nor loaders. */
export function startThreads(program: URL, options: ThreadOptions) {
  let deaths = 0
  let isClosed = false
  let piscina = start()

  function start(): Piscina {
    const started = new Piscina({
      ...options,
      filename: program.href,
      env: {},
      // Piscina tries `require` before `import`; on Node 20 that ends the whole process when it meets a module that another
      // import is loading (a fatal error in IsGraphAsync, once in some hundred starts).
      execArgv: ['--no-experimental-require-module'],
      resourceLimits: { maxOldGenerationSizeMb: heapMb },
      recordTiming: false,
    })
    // Emitted when an idle thread dies; unheard, it would end the process.
    started.on('error', () => undefined)
    started.on('workerDestroy', () => {
      if (isClosed) return
      deaths++
      // A thread that dies while it starts is not replaced by piscina, and a task that waits for it
      // would wait for ever. With no thread left, a new set takes over, and the tasks of the old one are rejected.
      setImmediate(() => {
        if (isClosed || started !== piscina || started.threads.length > 0) return
        piscina = start()
        void started.destroy()
      })
    })
    return started
  }

  return {
    /** Calls an exported function of the program. Rejects when the thread dies; an aborted signal ends the thread. */
    run: (name: string, message: unknown, signal?: AbortSignal): Promise<unknown> =>
      piscina.run(message, signal ? { name, signal } : { name }),
    /** Threads that run or start. */
    get size(): number {
      return piscina.threads.length
    },
    /** Threads that ended since the start. */
    get deaths(): number {
      return deaths
    },
    async close(): Promise<void> {
      isClosed = true
      await piscina.destroy()
    },
  }
}

import { Piscina } from 'piscina'
import { programs } from '../places.ts'

/** JavaScript heap of a thread; typed arrays are not counted by V8 and are bounded by the block size instead. */
const heapMb = 512

/** Starts as many threads, each of which runs one task at a time and does not end for want of work. */
export function startThreads(threads: number): Piscina {
  return new Piscina({
    filename: programs.detect.href,
    minThreads: threads,
    maxThreads: threads,
    // The queue is ours: piscina's cannot drop a waiting task without the risk of killing one that
    // runs, and knows no turns. Tasks reach piscina only when a thread is free.
    maxQueue: 2 * threads,
    idleTimeout: Number.POSITIVE_INFINITY,
    // Threads inherit neither secrets nor loaders.
    env: {},
    // Piscina tries `require` before `import`; on Node 20 that ends the whole process when it meets a module that another
    // import is loading (a fatal error in IsGraphAsync, once in some hundred starts).
    execArgv: ['--no-experimental-require-module'],
    resourceLimits: { maxOldGenerationSizeMb: heapMb },
    recordTiming: false,
  })
}

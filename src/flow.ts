/** Work in order: several pieces under way whose results come out in turn, a bound on callers, stages that start and stop. */
import { DeepWatchError } from './errors.ts'

/** Applies `work` to items, at most `ahead` at once, results in order; what is under way is always awaited. */
export async function* inOrder<Item, Result>(
  items: AsyncIterable<Item>,
  ahead: number,
  work: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const underWay: Promise<Result>[] = []
  try {
    for await (const item of items) {
      const result = work(item)
      // Its failure is thrown when its turn comes; until then it is not unhandled.
      result.catch(() => {})
      underWay.push(result)
      if (underWay.length >= ahead) yield await underWay.shift()!
    }
    while (underWay.length > 0) yield await underWay.shift()!
  } finally {
    await Promise.allSettled(underWay)
  }
}

export type Gate = ReturnType<typeof createGate>

/** Lets `max` callers in at once and `queue` more wait; the next one is refused. */
export function createGate(max: number, queue: number, refusal = 'Too much work of this kind is waiting.') {
  let inside = 0
  const waiting: (() => void)[] = []
  const enter = (signal: AbortSignal | undefined) =>
    new Promise<void>((resolve, reject) => {
      const turn = () => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = () => {
        waiting.splice(waiting.indexOf(turn), 1)
        reject(signal?.reason)
      }
      waiting.push(turn)
      signal?.addEventListener('abort', leave, { once: true })
    })
  return {
    get saturated(): boolean {
      return inside >= max && waiting.length >= queue
    },
    get waiting(): number {
      return waiting.length
    },
    /** Runs `work` when its turn comes. Throws `overloaded` when the queue is full, the signal's reason when aborted. */
    async run<Result>(work: () => Promise<Result>, signal?: AbortSignal): Promise<Result> {
      signal?.throwIfAborted()
      if (inside < max) inside++
      else if (waiting.length < queue) await enter(signal)
      else throw new DeepWatchError('overloaded', refusal)
      try {
        return await work()
      } finally {
        // The place goes to the next in the queue; without one it becomes free.
        const next = waiting.shift()
        if (next) next()
        else inside--
      }
    },
  }
}

/** What is started in order, and stopped in reverse. */
export function createStages() {
  const stops: (() => unknown)[] = []
  return {
    add<Started>(started: Started, stop: (started: Started) => unknown): Started {
      stops.push(() => stop(started))
      return started
    },
    /** Stops each stage when the one after it has stopped. A second call does nothing. */
    async stop(): Promise<void> {
      for (const stop of stops.splice(0).reverse()) await stop()
    },
  }
}

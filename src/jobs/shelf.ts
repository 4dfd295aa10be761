/** All jobs, within bounds of time, number and bytes: jobs that are over are forgotten oldest first. */
import { DeepWatchError } from '../errors.ts'
import type { JobsFolder } from './folder.ts'
import type { Clock, Job } from './job.ts'

export interface ShelfLimits {
  /** Finished jobs that are kept, and as many finished requests with a key. */
  readonly kept: number
  readonly keepMs: number
  readonly resultBytes: number
}

export type Shelf = ReturnType<typeof createShelf>

export function createShelf(folder: Pick<JobsFolder, 'remove'>, limits: ShelfLimits, clock: Clock) {
  const jobs = new Map<string, Job>()
  const byKey = new Map<string, Job>()
  /** Results that are being written, and their bytes so far. */
  const growing = new Map<Job, number>()

  /** What is over, in the order in which it ended. */
  const ended = (awaited: boolean) => [...jobs.values()].filter((job) => job.isOver && job.record.awaited === awaited)

  async function forget(job: Job): Promise<void> {
    const { key } = job.record
    jobs.delete(job.id)
    if (key && byKey.get(key.id) === job) byKey.delete(key.id)
    await folder.remove(job.id)
  }

  return {
    /** Puts a job behind all others; one that is there already moves there. */
    put(job: Job): void {
      jobs.delete(job.id)
      jobs.set(job.id, job)
      const { key } = job.record
      if (key) byKey.set(key.id, job)
    },
    find: (id: string) => jobs.get(id),
    /** The job that a key stands for, by the key's digest. */
    ofKey: (id: string) => byKey.get(id),
    /** In the order in which they were put. */
    all: () => [...jobs.values()],
    freeKey: (id: string) => void byKey.delete(id),
    /** The oldest make room for a result to grow to `bytes`. Throws `result_too_large`, `storage_full`. */
    makeRoom(job: Job, bytes: number): void {
      if (bytes > limits.resultBytes) {
        throw new DeepWatchError('result_too_large', `A result may have at most ${limits.resultBytes} bytes.`, {
          facts: { limit: limits.resultBytes },
        })
      }
      growing.set(job, bytes)
      const stored = [...jobs.values()].map(({ record }) => record.result?.bytes ?? 0)
      let over = [...growing.values(), ...stored].reduce((sum, each) => sum + each, 0) - limits.resultBytes
      if (over <= 0) return
      for (const old of [...ended(true), ...ended(false)]) {
        const { result } = old.record
        if (over <= 0) return
        if (!result) continue
        over -= result.bytes
        void forget(old)
      }
      if (over > 0) throw new DeepWatchError('storage_full', 'There is no room for the result beside others.')
    },
    /** The result of this job is written: from now on its record says how large it is. */
    grown: (job: Job) => void growing.delete(job),
    expire(): void {
      const now = clock.steady()
      for (const awaited of [true, false]) {
        const all = ended(awaited)
        for (const [index, job] of all.entries())
          if (job.expires!.steady <= now || index < all.length - limits.kept) void forget(job)
      }
    },
    forget,
  }
}

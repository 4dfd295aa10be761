/** Work that a service does as a job: its progress is shown here, and an interrupt cancels it there. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { JobDocument } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { connect, type Remote } from './remote-client.ts'
import { upload } from './remote-upload.ts'

const firstWaitMs = 50
const maxWaitMs = 1_000

/** Uploads the file, waits for the job and gives its result. Errors: those of `upload` and of the job. */
export async function workThere<Result>(
  call: Call,
  path: 'train' | 'evaluate',
  settings: Readonly<Record<string, unknown>>,
): Promise<Result> {
  const remote = connect(call)
  const answer = await upload(call, remote, path, settings, { prefer: 'respond-async' })
  if (answer.statusCode !== 202) return remote.documentOf<Result>(answer)
  const { id } = await remote.documentOf<JobDocument>(answer)
  try {
    await follow(call, remote, id)
  } catch (error) {
    if (call.work.signal.aborted) {
      const signal = AbortSignal.timeout(maxWaitMs)
      await remote.ask(`jobs/${id}`, { method: 'DELETE', signal }).catch(() => {})
    }
    throw error
  }
  return remote.json<Result>(`jobs/${id}/result`)
}

/** Returns when the job is over. */
async function follow({ work: { progress, signal } }: Call, remote: Remote, id: string): Promise<void> {
  let shown: string | null = null
  let rows = 0
  for (let wait = firstWaitMs; ; wait = Math.min(maxWaitMs, wait * 1.5)) {
    const { state, stage, rowsDone, rowsTotal } = await remote.json<JobDocument>(`jobs/${id}`)
    if (stage !== shown) {
      progress.begin(stage, rowsTotal)
      shown = stage
      rows = 0
    }
    progress.advance(rowsDone - rows)
    rows = rowsDone
    if (state !== 'queued' && state !== 'running') return
    await sleep(wait, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

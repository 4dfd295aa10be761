/** `deepwatch jobs`: work that a service does or did in the background. */
import { DeepWatchError } from '../errors.ts'
import type { JobDocument } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { type Output, toFile, toStdout } from './output.ts'
import { count } from './progress.ts'
import { isRemote } from './server.ts'
import { table, toSecond } from './table.ts'
import { verbOf } from './verb.ts'

export async function run(call: Call): Promise<number> {
  const { verb, operand } = verbOf(call, ['list', 'show', 'result', 'cancel'])
  if (!isRemote(call)) throw new DeepWatchError('validation_failed', '--server is needed: only a service has jobs.')
  if (verb !== 'result' && call.text('out') !== undefined)
    throw new DeepWatchError('unused_setting', '--out: is for jobs result.')
  const { remoteJobs } = await import('./remote-jobs.ts')
  const jobs = remoteJobs(call)
  const id = operand ?? ''
  const print = (document: object) => call.print(`${JSON.stringify(document, null, call.isOn('json') ? 0 : 2)}\n`)
  if (verb === 'show') await print(await jobs.show(id))
  else if (verb === 'result') await writeResult(call, jobs.result(id))
  else if (verb === 'cancel') {
    await jobs.cancel(id)
    if (call.isOn('json')) await print({ cancelled: id })
    else call.tell(`cancelled ${id}`)
  } else {
    const list = await jobs.list()
    if (call.isOn('json')) await print({ jobs: list })
    else await call.print(jobTable(list))
  }
  return 0
}

async function writeResult(call: Call, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  const out = call.text('out') ?? '-'
  const output: Output = out === '-' ? toStdout(call.print) : await toFile(out)
  try {
    for await (const piece of pieces) await output.write(piece)
    await output.finish()
  } finally {
    await output.discard()
  }
}

function jobTable(jobs: readonly JobDocument[]): string {
  if (jobs.length === 0) return 'no jobs\n'
  const rows = jobs.map(({ id, kind, model, state, stage, rowsDone, createdAt }) => [
    id,
    kind,
    model,
    state === 'running' ? stage : state,
    count(rowsDone),
    toSecond(createdAt),
  ])
  return table([['job', 'kind', 'model', 'state', 'rows', 'since'], ...rows])
}

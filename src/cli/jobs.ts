/** `deepwatch jobs`: work that a service does or did in the background. */
import type { JobDocument } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { isRemote, verbOf } from './given.ts'
import { writePieces } from './output.ts'
import { connect } from './remote.ts'
import { count, table, toSecond } from './text.ts'
import { unused, wrong } from './usage.ts'

export async function run(call: Call): Promise<number> {
  const { verb, operand: id } = verbOf(call, ['list', 'show', 'result', 'cancel'])
  if (!isRemote(call)) throw wrong('--server is needed: only a service has jobs.')
  if (verb !== 'result' && call.text('out') !== undefined) throw unused('--out: is for jobs result.')
  const remote = connect(call)
  const path = `jobs/${encodeURIComponent(id)}`
  if (verb === 'show') await call.printJson(await remote.json<JobDocument>(path), 2)
  else if (verb === 'result') await writePieces(call, remote.pieces(await remote.ask(`${path}/result`)))
  else if (verb === 'cancel') {
    await remote.remove(path)
    if (call.isOn('json')) await call.printJson({ cancelled: id })
    else call.tell(`cancelled ${id}`)
  } else {
    const jobs = await remote.pages<JobDocument>('jobs')
    if (call.isOn('json')) await call.printJson({ jobs })
    else await call.print(jobTable(jobs))
  }
  return 0
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

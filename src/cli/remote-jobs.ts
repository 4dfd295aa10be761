/** The jobs of a service, as `deepwatch jobs` uses them. */
import type { JobDocument } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { connect } from './remote-client.ts'

/** Errors of all: those of `ask`. */
export function remoteJobs(call: Call) {
  const remote = connect(call)
  const of = (id: string) => `jobs/${encodeURIComponent(id)}`
  return {
    /** Newest first. */
    list: () => remote.pages<JobDocument>('jobs'),
    show: (id: string) => remote.json<JobDocument>(of(id)),
    /** What the request would have answered, in pieces. */
    async *result(id: string): AsyncGenerator<Buffer> {
      yield* remote.pieces(await remote.ask(`${of(id)}/result`))
    },
    /** Ends one that is not over, and forgets one that is. */
    async cancel(id: string): Promise<void> {
      await remote.bytes(await remote.ask(of(id), { method: 'DELETE' }))
    },
  }
}

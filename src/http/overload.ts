/** Refuses work there is no room for, before its body is read. */
import type { FastifyInstance } from 'fastify'
import { DeepWatchError } from '../errors.ts'
import { prefersAsync } from './preferences.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Needs threads or processes: refused while there is no room. */
    takesWork?: boolean
  }
}

/** Answers `overloaded` on routes that take work while the threads, processes or jobs it needs are taken. */
export function refuseOverload(app: FastifyInstance): void {
  app.addHook('preParsing', (request, _reply, _payload, done) => {
    if (!request.route.takesWork) return done()
    const { pool, readers, training, jobs } = app.deepwatch.service()
    const needsReader = !/^ *application\/json/i.test(request.headers['content-type'] ?? '')
    // A job takes its turn later: only their number counts now.
    const hasNoRoom = prefersAsync(request)
      ? jobs.saturated
      : pool.saturated || (needsReader && readers.saturated) || (request.route.url === '/train' && training.saturated)
    if (hasNoRoom) throw new DeepWatchError('overloaded', 'There is no room for more work; the body was not read.')
    done()
  })
}

/** What every handler may reach, through one typed decorator: `request.server.deepwatch`. */
import type { Config } from '../config.ts'
import type { Metrics } from '../observe/index.ts'
import type { Service } from '../service.ts'
import type { Listeners } from './job-events.ts'

export interface Context {
  /** The running service; throws `starting` before it runs, `shutting_down` when it is about to end. */
  service(): Service
  readonly metrics: Metrics
  readonly listeners: Listeners
  readonly config: Config
  state(): 'starting' | 'ready' | 'draining'
}

declare module 'fastify' {
  interface FastifyInstance {
    deepwatch: Context
  }
}

/** What is refused before a body is read: work there is no room for, and addresses without a route. */
import type { FastifyInstance } from 'fastify'
import { DeepWatchError } from '../errors.ts'
import { didYouMean } from '../nearest.ts'
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

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']

/** Knows the routes that are registered after this call by their templates, since the router only knows whole routes. */
export function answerUnknownAddresses(app: FastifyInstance): void {
  const routes: { url: string; pattern: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return
    const pattern = new RegExp(`^${url.replace(/[.]/g, '\\.').replace(/:\w+/g, '[^/]+')}$`)
    routes.push({ url, pattern, methods: [method].flat() })
  })
  /** The addresses of all routes with as many parts, and in place of their variables what was asked for. */
  const likely = (path: string) => {
    const asked = path.split('/')
    const near = routes.filter(({ url }) => !url.startsWith('/docs/') && url.split('/').length === asked.length)
    return near.map(({ url }) =>
      url
        .split('/')
        .map((part, at) => (part.startsWith(':') ? asked[at]! : part))
        .join('/'),
    )
  }
  app.setNotFoundHandler(({ url }, reply) => {
    const path = url.split('?', 1)[0]!
    const taken = routes.flatMap((route) => (route.pattern.test(path) ? route.methods : []))
    if (taken.length === 0)
      throw new DeepWatchError(
        'not_found',
        `There is nothing at this address${didYouMean(path, likely(path.endsWith('/') ? path.slice(0, -1) : path))}.`,
      )
    const others = methods.filter((method) => taken.includes(method)).join(', ')
    reply.header('allow', others)
    throw new DeepWatchError('method_not_allowed', `This address takes ${others}.`)
  })
}

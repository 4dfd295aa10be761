/** What is answered where there is no route: 405 with the methods an address takes, else 404. */
import type { FastifyInstance } from 'fastify'
import { DeepWatchError } from '../errors.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']

/** Knows the routes that are registered after this call by their templates, since the router only knows whole routes. */
export function answerUnknownAddresses(app: FastifyInstance): void {
  const routes: { pattern: RegExp; methods: string[] }[] = []
  app.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return
    const pattern = new RegExp(`^${url.replace(/[.]/g, '\\.').replace(/:\w+/g, '[^/]+')}$`)
    routes.push({ pattern, methods: [method].flat() })
  })
  app.setNotFoundHandler(({ url }, reply) => {
    const path = url.split('?', 1)[0]!
    const taken = routes.flatMap((route) => (route.pattern.test(path) ? route.methods : []))
    if (taken.length === 0) throw new DeepWatchError('not_found', 'There is nothing at this address.')
    const others = methods.filter((method) => taken.includes(method)).join(', ')
    reply.header('allow', others)
    throw new DeepWatchError('method_not_allowed', `This address takes ${others}.`)
  })
}

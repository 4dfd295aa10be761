/** What is answered where there is no route: 405 with the methods an address takes, else 404. */
import type { FastifyInstance } from 'fastify'
import { DeepWatchError } from '../errors.ts'

const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const

/** Knows the routes that are registered after this call. */
export function answerUnknownAddresses(app: FastifyInstance): void {
  const methodsOf = collectMethods(app)
  app.setNotFoundHandler((request, reply) => {
    const others = methodsOf(request.url)
    if (others.length === 0) throw new DeepWatchError('not_found', 'There is nothing at this address.')
    reply.header('allow', others.join(', '))
    throw new DeepWatchError('method_not_allowed', `This address takes ${others.join(', ')}.`)
  })
}

/** Finds the methods of an address by the templates of the routes, since the router only knows whole routes. */
function collectMethods(app: FastifyInstance): (url: string) => string[] {
  const patterns = new Map<string, { pattern: RegExp; methods: Set<string> }>()
  app.addHook('onRoute', ({ method, url }) => {
    if (url.includes('*')) return
    const entry = patterns.get(url) ?? {
      pattern: new RegExp(`^${url.replace(/[.]/g, '\\.').replace(/:\w+/g, '[^/]+')}$`),
      methods: new Set(),
    }
    for (const name of [method].flat()) entry.methods.add(name)
    patterns.set(url, entry)
  })
  return (url) => {
    const path = url.split('?', 1)[0]!
    const matching = [...patterns.values()].filter(({ pattern }) => pattern.test(path))
    return methods.filter((method) => matching.some((entry) => entry.methods.has(method)))
  }
}

/** What surrounds every request: refusal before the body is read, the end of the client, one log line, one measurement. */
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { DeepWatchError } from '../errors.ts'
import type { Metrics } from '../observe/index.ts'
import { Departure, decorateDepartures } from './departure.ts'
import { hasBody } from './intake.ts'
import { prefersAsync } from './preferences.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** Needs threads or processes: refused while there is no room. */
    takesWork?: boolean
    /** Its answer lasts as long as the work of others: a stop does not wait for it. */
    waitsForOthers?: boolean
  }
  interface FastifyRequest {
    /** What the route says of itself, and its template. Fastify's own `routeOptions` is made anew whenever it is asked for. */
    route: FastifyContextConfig & { readonly url?: string }
  }
}

/** A client's own request id, kept apart from ours and only when it is harmless. */
const harmlessId = /^[A-Za-z0-9._-]{1,64}$/
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS'] as const

/** Installs the hooks. `idle` resolves when no accepted request but health is under way. */
export function observeRequests(
  app: FastifyInstance,
  metrics: Metrics,
  log: Pick<FastifyBaseLogger, 'info' | 'debug'>,
): { idle(): Promise<void> } {
  const allowed = routesByPattern(app)
  let underWay = 0
  let onIdle: (() => void) | undefined
  decorateDepartures(app)
  app.decorateRequest('route', null as never)

  // Hooks that wait for nothing are no promises: every one of those is a turn for every request.
  app.addHook('onRequest', (request, reply, done) => {
    const departure = new Departure()
    request.departure = departure
    // What comes while the service drains is refused, and nobody waits for it.
    request.route = request.routeOptions.config ?? {}
    const { scope, waitsForOthers } = request.route
    const counts = scope !== 'public' && !waitsForOthers && app.deepwatch.state() !== 'draining'
    if (counts) underWay++
    onceOver(request, reply, () => {
      if (!reply.raw.writableFinished)
        departure.leave(new DeepWatchError('incomplete_body', 'The client left before the answer was complete.'))
      if (counts && --underWay === 0) onIdle?.()
      note(request, reply, metrics, log)
    })
    reply
      .header('x-request-id', request.id)
      .header('x-content-type-options', 'nosniff')
      .header('cache-control', 'no-store')
    checkHead(request)
    // Only POST and PUT have a body that is read: elsewhere it would be drained without end.
    if (hasBody(request) && request.method !== 'POST' && request.method !== 'PUT') reply.header('connection', 'close')
    done()
  })

  app.addHook('preParsing', (request, _reply, _payload, done) => {
    if (!request.route.takesWork) return done()
    const { pool, readers, training, jobs } = app.deepwatch.service()
    const needsReader = !/^ *application\/json/i.test(request.headers['content-type'] ?? '')
    // A job takes its turn later: only their number counts now.
    const hasNoRoom = prefersAsync(request)
      ? jobs.saturated
      : pool.saturated || (needsReader && readers.saturated) || (request.route.url === '/train' && training.saturated)
    if (hasNoRoom) {
      throw new DeepWatchError('overloaded', 'There is no room for more work; the body was not read.')
    }
    done()
  })

  app.setNotFoundHandler((request, reply) => {
    const others = allowed(request.url)
    if (others.length === 0) throw new DeepWatchError('not_found', 'There is nothing at this address.')
    reply.header('allow', others.join(', '))
    throw new DeepWatchError('method_not_allowed', `This address takes ${others.join(', ')}.`)
  })

  return {
    idle: () => (underWay === 0 ? Promise.resolve() : new Promise((resolve) => (onIdle = resolve))),
  }
}

/** What is to be called when the connections close, by connection. */
const endings = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `end` when an answer was sent or can no longer be. Answers that wait behind another one of their connection
 * are not told by Node when that closes, and a listener each would be too many for a client that asks in bulk.
 */
function onceOver({ raw: { socket } }: FastifyRequest, reply: FastifyReply, end: () => void): void {
  const ends = endings.get(socket) ?? watch(socket)
  const over = () => {
    if (ends.delete(over)) end()
  }
  ends.add(over)
  reply.raw.on('close', over)
}

function watch(socket: Socket): Set<() => void> {
  const ends = new Set<() => void>()
  endings.set(socket, ends)
  socket.once('close', () => {
    for (const each of ends) each()
  })
  return ends
}

const mostFields = 200

/** What HTTP asks of a request's head, and Node is told to leave to us. */
function checkHead({ headers, raw }: FastifyRequest): void {
  if (raw.rawHeaders.length > 2 * mostFields)
    throw new DeepWatchError('headers_too_large', `A request may have ${mostFields} header fields.`)
  if (raw.httpVersion === '1.1' && !headers.host)
    throw new DeepWatchError('malformed_request', 'The request names no Host.')
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue')
    throw new DeepWatchError('expectation_failed', 'The only expectation that can be met is 100-continue.')
}

/** One line and one measurement per request. The address is never logged: it may carry names and paths. */
function note(
  request: FastifyRequest,
  { raw, elapsedTime }: FastifyReply,
  metrics: Metrics,
  log: Pick<FastifyBaseLogger, 'info' | 'debug'>,
): void {
  const { id: requestId, method } = request
  const { statusCode: status, writableFinished: complete } = raw
  const route = request.route.url ?? 'unmatched'
  metrics.answered(route, method, status, elapsedTime / 1000)
  const given = request.headers['x-request-id']
  const clientRequestId = typeof given === 'string' && harmlessId.test(given) ? given : undefined
  const quiet = request.route.scope === 'public' || route === '/metrics'
  const facts = { requestId, method, route, status, ms: Math.round(elapsedTime), complete, clientRequestId }
  if (quiet) log.debug(facts, 'answered')
  else log.info(facts, 'answered')
}

/** Which methods an address takes, for 405; found by the templates, since the router only knows whole routes. */
function routesByPattern(app: FastifyInstance): (url: string) => string[] {
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
    const found = new Set(
      [...patterns.values()].filter(({ pattern }) => pattern.test(path)).flatMap((entry) => [...entry.methods]),
    )
    return methods.filter((method) => found.has(method))
  }
}

/** What surrounds every request: the check of its head, its end, one log line, one measurement. */
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'
import { DeepWatchError } from '../errors.ts'
import type { Metrics } from '../observe/index.ts'
import { RequestWork } from './aborted-request.ts'
import { hasBody } from './body.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
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
const maxFields = 200

/** Installs the hook. `idle` resolves when no accepted request but health is under way. */
export function observeRequests(app: FastifyInstance, metrics: Metrics, log: FastifyBaseLogger) {
  let underWay = 0
  let onIdle: (() => void) | undefined
  app.decorateRequest('work', null as never)
  app.decorateRequest('route', null as never)

  // Hooks that wait for nothing are no promises: every one of those is a turn for every request.
  app.addHook('onRequest', (request, reply, done) => {
    request.work = new RequestWork(request.log)
    request.route = request.routeOptions.config ?? {}
    const { scope, waitsForOthers } = request.route
    // What comes while the service drains is refused, and nobody waits for it.
    const counts = scope !== 'public' && !waitsForOthers && app.deepwatch.state() !== 'draining'
    if (counts) underWay++
    onceAnswered(request, reply, () => {
      if (!reply.raw.writableFinished)
        request.work.abort(new DeepWatchError('incomplete_body', 'The client left before the answer was complete.'))
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

  return {
    idle: (): Promise<void> => (underWay === 0 ? Promise.resolve() : new Promise((resolve) => (onIdle = resolve))),
  }
}

/** What HTTP asks of a request's head, and Node is told to leave to us. */
function checkHead({ headers, raw }: FastifyRequest): void {
  if (raw.rawHeaders.length > 2 * maxFields)
    throw new DeepWatchError('headers_too_large', `A request may have ${maxFields} header fields.`)
  if (raw.httpVersion === '1.1' && !headers.host)
    throw new DeepWatchError('malformed_request', 'The request names no Host.')
  if (headers.expect !== undefined && headers.expect.toLowerCase() !== '100-continue')
    throw new DeepWatchError('expectation_failed', 'The only expectation that can be met is 100-continue.')
}

/** One line and one measurement per request. The address is never logged: it may carry names and paths. */
function note(request: FastifyRequest, { raw, elapsedTime }: FastifyReply, metrics: Metrics, log: FastifyBaseLogger) {
  const { id: requestId, method } = request
  const { statusCode: status, writableFinished: complete } = raw
  const route = request.route.url ?? 'unmatched'
  metrics.answered(route, method, status, elapsedTime / 1000)
  const given = request.headers['x-request-id']
  const clientRequestId = typeof given === 'string' && harmlessId.test(given) ? given : undefined
  const facts = { requestId, method, route, status, ms: Math.round(elapsedTime), complete, clientRequestId }
  const isQuiet = request.route.scope === 'public' || route === '/metrics'
  log[isQuiet ? 'debug' : 'info'](facts, 'answered')
}

/** What is to be called when the connections close, by connection. */
const endings = new WeakMap<Socket, Set<() => void>>()

/** Calls `end` once, when an answer was sent or its connection closed; Node tells only the first in line of that. */
function onceAnswered({ raw: { socket } }: FastifyRequest, reply: FastifyReply, end: () => void): void {
  const ends = endings.get(socket) ?? new Set()
  if (!endings.has(socket)) {
    endings.set(socket, ends)
    socket.once('close', () => {
      for (const each of ends) each()
    })
  }
  const over = () => {
    if (ends.delete(over)) end()
  }
  ends.add(over)
  reply.raw.on('close', over)
}

/** The whole service as one Fastify app, listening to nothing. Tests and `deepwatch openapi` use the same one. */
import { randomUUID } from 'node:crypto'
import accepts from '@fastify/accepts'
import multipart from '@fastify/multipart'
import swagger from '@fastify/swagger'
import swaggerUi from '@fastify/swagger-ui'
import Fastify, { type FastifyInstance, LogController } from 'fastify'
import type { Logger } from 'pino'
import { routes } from '../routes/index.ts'
import type { Config } from './config.ts'
import { DeepWatchError } from './errors.ts'
import {
  answerUnknownAddresses,
  answerUnparsable,
  type Context,
  createHttpServer,
  createListeners,
  documentRoutes,
  guard,
  negotiateForms,
  observeRequests,
  refuseOverload,
  sendProblem,
} from './http/index.ts'
import { createMetrics } from './observe/index.ts'
import { type Service, startService } from './service.ts'
import { software } from './software.ts'

/** The documents load nothing from elsewhere, and are shown in no frame. */
const docsPolicy = [
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'",
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
].join('; ')

/** The app with its life: `start` once it listens, `stop` before the process ends. */
export type App = Awaited<ReturnType<typeof buildApp>>

/** Builds the app for a checked configuration. Nothing is started and no file is touched. */
export async function buildApp(config: Config, log: Logger) {
  let running: Service | null = null
  let isDraining = false
  const metrics = createMetrics({
    version: software.version,
    models: config.DEEPWATCH_METRIC_MODELS,
    observed: {
      models: () => running?.registry.size.models ?? 0,
      poolQueue: () => running?.pool.queueSize ?? 0,
      poolUtilization: () => running?.pool.utilization ?? 0,
      windows: () => running?.windows.size ?? 0,
      jobs: () => running?.jobs.counts() ?? null,
    },
  })
  const listeners = createListeners(config.DEEPWATCH_JOBS_LISTENERS)
  const context: Context = {
    service() {
      if (isDraining)
        throw new DeepWatchError('shutting_down', 'The service finishes what it accepted and takes nothing new.')
      if (!running) throw new DeepWatchError('starting', 'The service is starting.')
      return running
    },
    metrics,
    listeners,
    config,
    state: () => (isDraining ? 'draining' : running ? 'ready' : 'starting'),
  }
  const http = createFastify(config, log)
  http.decorate('deepwatch', context)
  await takeBodiesAsStreams(http, config)
  await http.register(accepts)
  const work = observeRequests(http, metrics, log)
  refuseOverload(http)
  answerUnknownAddresses(http)
  guard(http, config.DEEPWATCH_TOKENS)
  negotiateForms(http)
  http.setErrorHandler(sendProblem)
  await addRoutes(http)

  async function end(): Promise<void> {
    isDraining = true
    // Jobs that do not end in time are interrupted, and that too takes a moment.
    await Promise.all([work.idle(), running?.jobs.drain(0.8 * config.DEEPWATCH_DRAIN_MS)])
    await listeners.ended()
    await http.close()
    await running?.close()
  }
  let ended: Promise<void> | undefined
  return {
    http,
    /** Takes the state folder and starts threads and processes. See `startService` for `onHomeLost` and the errors. */
    async start(onHomeLost = () => {}): Promise<void> {
      running = await startService(config, metrics, log, software.version, onHomeLost)
    },
    /** Readiness goes false, new work is refused, accepted work is waited for; then everything ends. Idempotent. */
    stop(): Promise<void> {
      ended ??= end()
      return ended
    },
  }
}

function createFastify(config: Config, log: Logger): FastifyInstance {
  return Fastify({
    loggerInstance: log,
    requestIdHeader: false,
    logController: new LogController({ disableRequestLogging: true, requestIdLogLabel: 'requestId' }),
    genReqId: () => randomUUID(),
    trustProxy: false,
    // Bodies are read by `takeIn` with limits and stall times of their own; an upload has no total time.
    bodyLimit: Number.MAX_SAFE_INTEGER,
    serverFactory: (handler) =>
      createHttpServer(handler, {
        maxConnections: config.DEEPWATCH_MAX_CONNECTIONS,
        stallMs: config.DEEPWATCH_BODY_STALL_MS,
      }),
    // Closing comes when all accepted work is done: what is connected then has asked for nothing, or was refused.
    forceCloseConnections: true,
    return503OnClosing: false,
    routerOptions: { maxParamLength: 8192, ignoreTrailingSlash: false },
    frameworkErrors: (error, request, reply) => void sendProblem(error, request, reply),
    clientErrorHandler: (error, socket) => answerUnparsable(error, socket, log),
  }) as unknown as FastifyInstance
}

/** Every body comes as a stream: what it is, is decided by `takeIn` alone. */
async function takeBodiesAsStreams(http: FastifyInstance, config: Config): Promise<void> {
  http.removeAllContentTypeParsers()
  // Fastify reads the type of what has no parser by name anew for every request.
  http.addContentTypeParser(['application/json', '*'], (_request, _payload, done) => done(null))
  await http.register(multipart, {
    // Every part comes as a stream of bytes, whatever it says of itself: fields would be decoded, and JSON read leniently.
    isPartAFile: () => true,
    limits: { fieldNameSize: 100, files: 8, parts: 16, headerPairs: 32, fileSize: config.DEEPWATCH_UPLOAD_BYTES + 1 },
    throwFileSizeLimit: false,
  })
}

/** The routes, the document they describe, and the pages that show it. */
async function addRoutes(http: FastifyInstance): Promise<void> {
  const document = documentRoutes(http, software.version) as never
  await http.register(swagger, { mode: 'static', specification: { document } })
  for (const route of routes) http.route(route)
  // The documents ask for what `openapi.yaml` asks for; their plugin names no scope.
  http.addHook('onRoute', (route) => {
    if (route.url.startsWith('/docs')) route.config = { ...route.config, scope: 'read' }
  })
  await http.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: docsPolicy,
    uiConfig: { deepLinking: true },
    logLevel: 'warn',
  })
  await http.ready()
}

/** The whole service as one Fastify app: built here, wired here, listening to nothing. Tests and the OpenAPI printer use the real thing. */
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
  answerStrangers,
  collectOperations,
  createHttpServer,
  createListeners,
  guard,
  negotiateForms,
  observeRequests,
  sendProblem,
} from './http/index.ts'
import { createMetrics } from './observe/index.ts'
import { type Service, startService } from './service.ts'
import { software } from './software.ts'

/** The app with its life: `start` once it listens, `drain` before it ends. */
export interface App {
  readonly http: FastifyInstance
  /** Takes the state folder and starts threads and processes. See `startService` for `onHomeLost` and the errors. */
  start(onHomeLost?: () => void): Promise<void>
  /** Readiness goes false, new work is refused, accepted work is waited for; then everything ends. Idempotent. */
  stop(): Promise<void>
}

/** The documents load nothing from elsewhere, and are shown in no frame. */
const docsPolicy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ')

/** Builds the app for a checked configuration. Nothing is started and no file is touched. */
export async function buildApp(config: Config, log: Logger): Promise<App> {
  let service: Service | null = null
  let draining = false
  const metrics = createMetrics({
    version: software.version,
    models: config.DEEPWATCH_METRIC_MODELS,
    observed: {
      models: () => service?.registry.size.models ?? 0,
      poolQueue: () => service?.pool.queueSize ?? 0,
      poolUtilization: () => service?.pool.utilization ?? 0,
      windows: () => service?.windows.size ?? 0,
      jobs: () => service?.jobs.counts() ?? null,
    },
  })
  const listeners = createListeners(config.DEEPWATCH_JOBS_LISTENERS)
  const http = Fastify({
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
    frameworkErrors: (error, request, reply) => {
      sendProblem(error, request, reply)
    },
    clientErrorHandler: (error, socket) => answerStrangers(error, socket, log),
  }) as unknown as FastifyInstance

  http.decorate('deepwatch', {
    service() {
      if (draining)
        throw new DeepWatchError('shutting_down', 'The service finishes what it accepted and takes nothing new.')
      if (!service) throw new DeepWatchError('starting', 'The service is starting.')
      return service
    },
    metrics,
    listeners,
    config,
    state: () => (draining ? 'draining' : service ? 'ready' : 'starting'),
  })

  // Every body comes as a stream: what it is, is decided in one place.
  http.removeAllContentTypeParsers()
  // Fastify reads the type of what has no parser by name anew for every request.
  http.addContentTypeParser(['application/json', '*'], (_request, _payload, done) => done(null))
  await http.register(accepts)
  await http.register(multipart, {
    // Every part comes as a stream of bytes, whatever it says of itself: fields would be decoded, and JSON read leniently.
    isPartAFile: () => true,
    limits: {
      fieldNameSize: 100,
      files: 8,
      parts: 16,
      headerPairs: 32,
      fileSize: config.DEEPWATCH_UPLOAD_BYTES + 1,
    },
    throwFileSizeLimit: false,
  })

  const document: Record<string, unknown> = {}
  await http.register(swagger, { mode: 'static', specification: { document: document as never } })
  const work = observeRequests(http, metrics, log)
  guard(http, config.DEEPWATCH_TOKENS)
  negotiateForms(http)
  http.setErrorHandler(sendProblem)
  const operationsOf = collectOperations(http, software.version)
  for (const route of routes) await http.register(route)
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
  Object.assign(document, operationsOf())

  let stopped: Promise<void> | undefined
  return {
    http,
    async start(onHomeLost = () => {}) {
      service = await startService(config, metrics, log, software.version, onHomeLost)
    },
    stop() {
      stopped ??= (async () => {
        draining = true
        // Jobs that do not end in time are interrupted, and that too takes a moment.
        await Promise.all([work.idle(), service?.jobs.drain(0.8 * config.DEEPWATCH_DRAIN_MS)])
        await listeners.ended()
        await http.close()
        await service?.close()
      })()
      return stopped
    },
  }
}

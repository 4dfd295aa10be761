/** Runs the service until it is told to stop. */
import { once } from 'node:events'
import { type Config, loadConfig } from './config.ts'
import { DeepWatchError } from './errors.ts'
import { createLog } from './observe/index.ts'

type Texts = Readonly<Record<string, string | undefined>>

/** Serves until SIGTERM or SIGINT. The exit code is 1 when it could not start, or work did not end in time. */
export async function serve(env: Texts, flags: Readonly<Record<string, string>> = {}): Promise<number> {
  let config: Config
  try {
    config = loadConfig(env, flags)
  } catch (error) {
    return complain(error)
  }
  // A wrong setting is told before anything heavy is loaded.
  const { buildApp } = await import('./app.ts')
  const log = createLog(config)
  const app = await buildApp(config, log)
  let homeLost = false
  /** Aborted as soon as there is a reason to stop. */
  const stop = new AbortController()
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => stop.abort(signal))
  try {
    // Listening comes first: liveness answers from the first moment, readiness when the models are there.
    const address = await app.http.listen({ host: config.HOST, port: config.PORT }).catch(refuseAddress)
    await app.start(() => {
      homeLost = true
      stop.abort('the state folder was taken over by another process')
    })
    log.info({ address }, 'ready')
  } catch (error) {
    log.debug({ err: error }, 'the start failed')
    await app.stop()
    return complain(error)
  }
  if (!stop.signal.aborted) await once(stop.signal, 'abort')
  log.info({ reason: stop.signal.reason }, 'stopping')
  const inTime = await Promise.race([
    app.stop().then(() => true),
    new Promise<boolean>((resolve) => setTimeout(resolve, config.DEEPWATCH_DRAIN_MS, false).unref()),
  ])
  log.info({ inTime }, 'stopped')
  if (!inTime) process.exit(1)
  return homeLost ? 1 : 0
}

/** Node's own message does not say which setting to look at. */
function refuseAddress(cause: NodeJS.ErrnoException): never {
  const key = cause.code === 'EADDRINUSE' || cause.code === 'EACCES' ? 'PORT' : 'HOST'
  throw new DeepWatchError('invalid_setting', `${key}: this address cannot be listened on (${cause.code})`, { cause })
}

/** One line on standard error for whoever started us. */
function complain(error: unknown): number {
  const code =
    error instanceof DeepWatchError ? error.code : ((error as { code?: string } | null)?.code ?? 'internal_error')
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`deepwatch: ${code}: ${message.split('\n', 1)[0]}\n`)
  return 1
}

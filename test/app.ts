/** Shared by the tests: the real app on a state folder of its own, gone when the test file ends. */
import { type App, buildApp } from '../src/app.ts'
import { loadConfig } from '../src/config.ts'
import { createLog } from '../src/observe/log.ts'
import { atTheEnd, freshFolder } from './endings.ts'

/** A started app that listens on a free loopback port. */
export interface TestApp {
  readonly app: App
  readonly home: string
  /** Its address, such as http://127.0.0.1:40123. */
  readonly url: string
  /** Every log line so far, parsed. */
  readonly log: Record<string, unknown>[]
  stop(): Promise<void>
}

/** Starts the service with these settings over the defaults of a test: a fresh home, two cores. */
export async function startApp(settings: Readonly<Record<string, string>> = {}): Promise<TestApp> {
  const home = settings['DEEPWATCH_HOME'] ?? (await freshFolder())
  const log: Record<string, unknown>[] = []
  const sink = { write: (line: string) => void log.push(JSON.parse(line) as Record<string, unknown>) }
  const config = loadConfig({ PORT: '0', DEEPWATCH_CORES: '2', ...settings, DEEPWATCH_HOME: home })
  const app = await buildApp(config, createLog({ ...config, LOG_LEVEL: 'debug' }, sink))
  const url = await app.http.listen({ host: config.HOST, port: config.PORT })
  await app.start()
  const stop = () => app.stop()
  atTheEnd(stop)
  return { app, home, url, log, stop }
}

/** Rows of two correlated metrics with a daily rhythm, every 30 minutes; the last one is far off. Seedless and the same every time. */
export function exampleRows(count = 200): { ts: string; cpu: number; latency: number }[] {
  return Array.from({ length: count }, (_, index) => {
    const wave = Math.sin((index / 48) * 2 * Math.PI)
    const far = index === count - 1
    return {
      ts: new Date(Date.UTC(2026, 0, 1) + index * 1_800_000).toISOString(),
      cpu: far ? 9 : 0.5 + 0.3 * wave + 0.05 * Math.sin(index * 12.9898),
      latency: far ? 900 : 12 + 5 * wave + Math.sin(index * 78.233),
    }
  })
}

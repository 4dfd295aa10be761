/** The log: JSON lines on standard output, without secrets, row values or the places where files lie. */
import { fileURLToPath } from 'node:url'
import pino, { type DestinationStream, type Logger } from 'pino'
import type { Config } from '../config.ts'
import { packageFolder } from '../places.ts'

const packageRoot = fileURLToPath(packageFolder).replace(/\/$/, '')

/** Standard output, written by 16 KB or ten times a second. Of what a slow reader leaves lying, lines beyond a bound are dropped. */
function standardOutput(): DestinationStream & { flushSync(): void } {
  const options = { dest: 1, sync: false, minLength: 16_000, maxLength: 4 * 1024 * 1024, periodicFlush: 100 }
  // Of texts it would measure all that wait anew with every line.
  const destination = pino.destination({ ...options, contentMode: 'buffer' })
  // A fatal line is written at once, with those before it.
  return {
    write: (line) => void destination.write(Buffer.from(line) as never),
    flushSync: () => destination.flushSync(),
  }
}

/** Makes the log. In its errors the state folder, the data roots and the package stand as `$home`, `$root` and `$package`. */
export function createLog(
  config: Pick<Config, 'LOG_LEVEL' | 'home' | 'roots'>,
  destination: DestinationStream = standardOutput(),
): Logger {
  const places: [string, string][] = [
    ...config.roots.map((root): [string, string] => [root, '$root']),
    [config.home, '$home'],
    [packageRoot, '$package'],
  ]
  // The longest first: a root may lie inside the home.
  places.sort(([a], [b]) => b.length - a.length)
  const hide = (text: string) =>
    places.reduce((hidden, [place, name]) => (place.length > 1 ? hidden.replaceAll(place, name) : hidden), text)
  const options: pino.LoggerOptions = {
    level: config.LOG_LEVEL,
    base: { service: 'deepwatch' },
    timestamp: timeMember(),
    formatters: { level: (label) => ({ level: label }), log: hideSecrets },
    serializers: { err: (error: unknown) => describeError(error, hide) },
  }
  return pino(options, destination)
}

/** The time of a line as pino takes it. Busy services write many lines in one millisecond: they share its text. */
function timeMember(): () => string {
  let last = Number.NaN
  let member = ''
  return () => {
    const now = Date.now()
    if (now !== last) member = `,"time":"${new Date(now).toISOString()}"`
    last = now
    return member
  }
}

const redacted = '[Redacted]'

/**
 * The facts of a line without header fields and credentials. Nothing here logs them; this is for whoever will. Not pino's `redact`:
 * a path with a wildcard makes it copy every value of every line, which a small request feels.
 */
function hideSecrets(facts: Record<string, unknown>): Record<string, unknown> {
  let shown = facts
  for (const key in facts) {
    const value = facts[key]
    if (key === 'headers') shown = { ...shown, [key]: redacted }
    else if (typeof value === 'object' && value !== null && 'authorization' in value && !(value instanceof Error))
      shown = { ...shown, [key]: { ...value, authorization: redacted } }
  }
  return shown
}

const maxStackLength = 4096

function describeError(error: unknown, hide: (text: string) => string): unknown {
  if (!(error instanceof Error)) return error === undefined ? undefined : hide(String(error).slice(0, maxStackLength))
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  return {
    type: error.name,
    code: typeof code === 'string' ? code : undefined,
    message: hide(error.message.slice(0, maxStackLength)),
    stack: hide((error.stack ?? '').slice(0, maxStackLength)),
    cause: cause === undefined ? undefined : describeError(cause, hide),
  }
}

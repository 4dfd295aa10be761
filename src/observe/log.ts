/** The log: JSON lines on standard output, without secrets, row values or the places where files lie. */
import { fileURLToPath } from 'node:url'
import pino, { type DestinationStream, type Logger } from 'pino'
import type { Config } from '../config.ts'
import { packageFolder } from '../places.ts'
import { collectLines } from './log-lines.ts'

const packageRoot = fileURLToPath(packageFolder).replace(/\/$/, '')

/**
 * Lines are written together, by 16 KB or ten times a second, and when the process ends: a write per line is a tenth of what a
 * small request costs. What a slow reader leaves lying is bounded; beyond that lines are dropped.
 */
const together = { characters: 16_000, milliseconds: 100 }
const buffered = { minLength: together.characters, maxLength: 4 * 1024 * 1024, periodicFlush: together.milliseconds }

/** What is told of an answered request. Texts of ours or of HTTP, and ids without anything that JSON would escape. */
export interface AnswerFacts {
  readonly requestId: string
  readonly method: string
  readonly route: string
  readonly status: number
  readonly ms: number
  readonly complete: boolean
  readonly clientRequestId: string | undefined
}

/** The log of a service. */
export type ServiceLog = Logger & {
  /**
   * Writes what `info(facts, 'answered')` would, byte for byte, from one template: pino looks at each fact and puts some thirty texts
   * together, which was a tenth of a request of one row.
   */
  answered(facts: AnswerFacts): void
}

/**
 * Makes the log of a service. Errors are written with their type, code, message and stack, in which the
 * state folder, the data roots and the package stand as `$home`, `$root` and `$package`.
 */
export function createLog(
  config: Pick<Config, 'LOG_LEVEL' | 'home' | 'roots'>,
  destination: DestinationStream = standardOutput(),
): ServiceLog {
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
    base,
    timestamp: isoTime,
    formatters: { level: (label) => ({ level: label }), log: hideSecrets },
    serializers: { err: (error: unknown) => describeError(error, hide) },
  }
  const log = pino(options, destination)
  const answered = (facts: AnswerFacts) => {
    if (log.isLevelEnabled('info')) destination.write(answerLine(facts))
  }
  return Object.assign(log, { answered })
}

const base = { service: 'deepwatch' }

function answerLine(facts: AnswerFacts): string {
  const { requestId, ms, complete, clientRequestId } = facts
  const client = clientRequestId === undefined ? '' : `,"clientRequestId":"${clientRequestId}"`
  const end = complete ? ',"complete":true' : ',"complete":false'
  return `${lineHead()}${requestId}${lineMiddle(facts)}${ms}${end}${client},"msg":"answered"}\n`
}

let headTime = ''
let headText = ''

/** A line up to the request's id: the same for all of a millisecond, as a line put together from few texts is made sooner. */
function lineHead(): string {
  const time = isoTime()
  if (time !== headTime) {
    headTime = time
    headText = `{"level":"info"${time},"service":"${base.service}","requestId":"`
  }
  return headText
}

let middleOf: Pick<AnswerFacts, 'method' | 'route' | 'status'> = { method: '', route: '', status: 0 }
let middleText = ''

/** A line from the request's id to its time: mostly that of the line before. */
function lineMiddle({ method, route, status }: AnswerFacts): string {
  if (method !== middleOf.method || route !== middleOf.route || status !== middleOf.status) {
    middleOf = { method, route, status }
    middleText = `","method":"${method}","route":"${route}","status":${status},"ms":`
  }
  return middleText
}

function standardOutput(): DestinationStream {
  const destination = pino.destination({ dest: 1, sync: false, ...buffered })
  const lines = collectLines(destination, together)
  // Ahead of the destination, which then writes all that it was given.
  process.prependListener('beforeExit', lines.handOn)
  process.prependListener('exit', lines.handOn)
  return lines
}

let lastTime = 0
let lastText = ''

/** The time as pino's own `isoTime` writes it. Some lines a millisecond share its text. */
function isoTime(): string {
  const now = Date.now()
  if (now !== lastTime) {
    lastTime = now
    lastText = `,"time":"${new Date(now).toISOString()}"`
  }
  return lastText
}

const redacted = '[Redacted]'

/**
 * The facts of a line without header fields and credentials. Nothing here logs them; this is for whoever will. (pino's own
 * `redact` searches every value of every line, which was a twelfth of a small request.)
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

const longestStack = 4096

function describeError(error: unknown, hide: (text: string) => string): unknown {
  if (!(error instanceof Error)) return error === undefined ? undefined : hide(String(error).slice(0, longestStack))
  const { code, cause } = error as { code?: unknown; cause?: unknown }
  return {
    type: error.name,
    code: typeof code === 'string' ? code : undefined,
    message: hide(error.message.slice(0, longestStack)),
    stack: hide((error.stack ?? '').slice(0, longestStack)),
    cause: cause === undefined ? undefined : describeError(cause, hide),
  }
}

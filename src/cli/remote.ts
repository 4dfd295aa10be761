/** A running service, as the commands with `--server` talk to it. */
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { buffer } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Dispatcher } from 'undici'
import { DeepWatchError, isErrorCode } from '../errors.ts'
import type { JobDocument } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { givenStream } from './given.ts'
import { conflicting, wrong } from './usage.ts'

type Answer = Dispatcher.ResponseData
type Remote = ReturnType<typeof connect>

interface Asked {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Readable
  /** Aborts the request; by default the call's own. */
  readonly signal?: AbortSignal
  /** Work takes the time it takes; anything else is answered within `patienceMs`. */
  readonly isWork?: boolean
}

const patienceMs = 10_000
/** From one look at a job to the next: at first, and at most. */
const firstWaitMs = 50
const maxWaitMs = 1_000
const maxProblemBytes = 65_536

/**
 * The service that a call names. Errors: `validation_failed`, `conflicting_parameter` beside `--home`; of requests the code of the
 * problem document, `server_unreachable` for anything else.
 */
export function connect(call: Call) {
  if (call.text('home') !== undefined) throw conflicting('--server and --home name two places for the models.')
  const base = baseOf(call.text('server') ?? '')
  const token = call.text('token') ?? call.env['DEEPWATCH_TOKEN'] ?? ''
  if (!/^[\x21-\x7e]*$/.test(token)) throw wrong('--token: must be printable ASCII without spaces.')
  const authorization = token === '' ? {} : { authorization: `Bearer ${token}` }

  const unreachable = (why: string, cause?: unknown) =>
    new DeepWatchError('server_unreachable', `${base.origin}: ${why}.`, { cause })
  const noService = (answered: string) => unreachable(`answered ${answered}; it may be no DeepWatch service`)

  /** Gives the answer once its head is there and says success. */
  async function ask(path: string, { method = 'GET', headers, body, signal, isWork }: Asked = {}) {
    const { request } = await import('undici')
    const patience = isWork ? 0 : patienceMs
    const stop = signal ?? call.work.signal
    try {
      const answer = await request(new URL(path, base), {
        method,
        headers: { ...headers, ...authorization },
        body: body ?? null,
        signal: stop,
        headersTimeout: patience,
        bodyTimeout: patience,
      })
      if (answer.statusCode >= 200 && answer.statusCode < 300) return answer
      throw await problemOf(answer)
    } catch (error) {
      stop.throwIfAborted()
      throw error instanceof DeepWatchError ? error : unreachable(whyNot(error), error)
    }
  }

  async function problemOf(answer: Answer): Promise<DeepWatchError> {
    let text = ''
    for await (const piece of pieces(answer)) if (text.length < maxProblemBytes) text += piece
    const { code, detail } = parse(text)
    if (isErrorCode(code)) return new DeepWatchError(code, String(detail))
    return noService(`${answer.statusCode} without a problem document`)
  }

  async function* pieces(answer: Answer): AsyncGenerator<Buffer> {
    try {
      yield* answer.body as AsyncIterable<Buffer>
    } catch (error) {
      call.work.signal.throwIfAborted()
      throw unreachable(whyNot(error), error)
    }
  }

  const bytes = (answer: Answer): Promise<Buffer> => buffer(pieces(answer))

  async function documentOf<Document>(answer: Answer): Promise<Document> {
    const document = parse((await bytes(answer)).toString())
    if (Object.keys(document).length > 0) return document as Document
    throw noService('with no JSON document')
  }

  const json = async <Document>(path: string, asked?: Asked) => documentOf<Document>(await ask(path, asked))

  /** The items of a list that is answered in pages, which stand in a member called as the list. */
  async function pages<Item>(list: 'models' | 'jobs'): Promise<Item[]> {
    const items: Item[] = []
    let query = ''
    for (;;) {
      const { [list]: page, next } = await json<Record<string, unknown>>(`${list}${query}`)
      if (!Array.isArray(page)) throw noService('with no list')
      items.push(...page)
      if (typeof next !== 'string') return items
      query = `?after=${encodeURIComponent(next)}`
    }
  }

  async function remove(path: string): Promise<void> {
    await bytes(await ask(path, { method: 'DELETE' }))
  }

  return { ask, pieces, bytes, documentOf, json, pages, remove }
}

/** The model and its version that an answer is of. */
export function answeredBy({ headers }: Answer): { model: string; version: number } {
  const [model = '', version] = String(headers['deepwatch-model']).split('@')
  return { model, version: Number(version) }
}

/** An object, empty where the text holds none. */
function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
  } catch {
    return {}
  }
}

function baseOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : null
  const isPlain = url !== null && url.username === '' && url.password === '' && url.search === '' && url.hash === ''
  if (!isPlain || !['http:', 'https:'].includes(url.protocol))
    throw wrong('--server: must be an address such as http://127.0.0.1:8080, without user, query or fragment.')
  return url.pathname.endsWith('/') ? url : new URL(`${url.href}/`)
}

const reasons: readonly [RegExp, string][] = [
  [/^ECONNREFUSED$/, 'nothing listens there'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'its name is not known'],
  [/TIMEOUT|ETIMEDOUT/, 'it does not answer in time'],
  [/SSL|TLS|CERT|SIGNED|UNABLE_TO|EPROTO/, 'no trusted TLS connection'],
  [/^(ECONNRESET|EPIPE|UND_ERR_SOCKET|ERR_STREAM_PREMATURE_CLOSE|UND_ERR_\w+_MISMATCH)$/, 'the connection broke'],
]

function whyNot(error: unknown): string {
  const { code = 'unknown reason' } = error as { code?: string }
  const [, reason = 'it cannot be asked'] = reasons.find(([pattern]) => pattern.test(code)) ?? []
  return `${reason} (${code})`
}

/** Sends the one file of a call with these settings. Errors: those of `givenStream` and of every request. */
export async function upload(
  call: Call,
  remote: Remote,
  path: string,
  settings: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const file = (await givenStream(call))()
  const boundary = `deepwatch-${randomBytes(16).toString('hex')}`
  const type = `multipart/form-data; boundary=${boundary}`
  const ask = (body: Readable | string) =>
    remote.ask(path, { method: 'POST', isWork: true, body, headers: { ...headers, 'content-type': type } })
  let failure: unknown
  file.on('error', (error: NodeJS.ErrnoException) => {
    failure = new DeepWatchError('source_unreadable', `The file cannot be read (${error.code}).`, { cause: error })
  })
  try {
    return await ask(Readable.from(multipart(boundary, settings, file), { objectMode: false }))
  } catch (error) {
    const isBroken = error instanceof DeepWatchError && error.code === 'server_unreachable'
    throw failure ?? (isBroken ? await ask('').then(() => error, refusalOr(error)) : error)
  } finally {
    file.destroy()
  }
}

/**
 * A service that refuses a request before it has read the body closes the connection, and its answer may be lost: the same request
 * without a body tells whether it was refused (`refusal`), or is wrong for having none (400).
 */
const refusalOr = (error: DeepWatchError) => (refusal: DeepWatchError) => (refusal.status === 400 ? error : refusal)

async function* multipart(boundary: string, settings: object, file: Readable): AsyncGenerator<Buffer> {
  const head = (name: string, type: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; ${name}\r\nContent-Type: ${type}\r\n\r\n`
  const config = `${head('name="config"', 'application/json')}${JSON.stringify(settings)}\r\n`
  yield Buffer.from(config + head('name="file"; filename="telemetry"', 'application/octet-stream'))
  yield* file
  yield Buffer.from(`\r\n--${boundary}--\r\n`)
}

/** Uploads the file, waits for the job and gives its result. Errors: those of `upload` and of the job. */
export async function workThere<Result>(
  call: Call,
  path: 'train' | 'evaluate',
  settings: Readonly<Record<string, unknown>>,
): Promise<Result> {
  const remote = connect(call)
  const answer = await upload(call, remote, path, settings, { prefer: 'respond-async' })
  if (answer.statusCode !== 202) return remote.documentOf<Result>(answer)
  const { id } = await remote.documentOf<JobDocument>(answer)
  try {
    await follow(call, remote, id)
  } catch (error) {
    if (call.work.signal.aborted) {
      const signal = AbortSignal.timeout(maxWaitMs)
      await remote.ask(`jobs/${id}`, { method: 'DELETE', signal }).catch(() => {})
    }
    throw error
  }
  return remote.json<Result>(`jobs/${id}/result`)
}

async function follow({ work: { progress, signal } }: Call, remote: Remote, id: string): Promise<void> {
  let shown: string | null = null
  let rows = 0
  for (let wait = firstWaitMs; ; wait = Math.min(maxWaitMs, wait * 1.5)) {
    const { state, stage, rowsDone, rowsTotal } = await remote.json<JobDocument>(`jobs/${id}`)
    if (stage !== shown) {
      progress.begin(stage, rowsTotal)
      shown = stage
      rows = 0
    }
    progress.advance(rowsDone - rows)
    rows = rowsDone
    if (state !== 'queued' && state !== 'running') return
    await sleep(wait, undefined, { signal }).catch(() => signal.throwIfAborted())
  }
}

/** A running service, as the commands with `--server` talk to it. */
import type { Readable } from 'node:stream'
import { type Dispatcher, request } from 'undici'
import { DeepWatchError, isErrorCode } from '../errors.ts'
import type { Call } from './command.ts'

export type Answer = Dispatcher.ResponseData

interface Asked {
  readonly method?: 'GET' | 'PUT' | 'POST' | 'DELETE'
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Readable
  /** Aborts the request; by default the call's own. */
  readonly signal?: AbortSignal
  /** Work takes the time it takes; anything else is answered within `patienceMs`. */
  readonly isWork?: boolean
}

export interface Remote {
  /**
   * Asks, and gives the answer once its head is there and says success. `path` has no slash at its front.
   * Errors: the code of the service's problem document, `server_unreachable` for anything else that goes wrong.
   */
  ask(path: string, asked?: Asked): Promise<Answer>
  /** The same, for the JSON document that the answer holds. */
  json<Document>(path: string, asked?: Asked): Promise<Document>
  documentOf<Document>(answer: Answer): Promise<Document>
  /** The items of a list that is answered in pages, which stand in a member called as the list. */
  pages<Item>(list: 'models' | 'jobs'): Promise<Item[]>
  /** The whole body of an answer. */
  bytes(answer: Answer): Promise<Buffer>
  /** The pieces of an answer. Errors: `server_unreachable` when it ends early. */
  pieces(answer: Answer): AsyncGenerator<Buffer>
}

const patienceMs = 10_000
const maxProblemBytes = 65_536

/** Errors: `validation_failed` for an address or a token that is none, `conflicting_parameter` beside `--home`. */
export function connect(call: Call): Remote {
  if (call.text('home') !== undefined)
    throw new DeepWatchError('conflicting_parameter', '--server and --home name two places for the models.')
  const base = baseOf(call.text('server') ?? '')
  const token = call.text('token') ?? call.env['DEEPWATCH_TOKEN'] ?? ''
  if (!/^[\x21-\x7e]*$/.test(token)) throw wrong('--token: must be printable ASCII without spaces.')
  const unreachable = (why: string, cause?: unknown) =>
    new DeepWatchError('server_unreachable', `${base.origin}: ${why}.`, { cause })

  async function ask(path: string, { method, headers, body, signal = call.work.signal, isWork }: Asked = {}) {
    const patience = isWork ? 0 : patienceMs
    try {
      const answer = await request(new URL(path, base), {
        method: method ?? 'GET',
        headers: { ...headers, ...(token === '' ? {} : { authorization: `Bearer ${token}` }) },
        body: body ?? null,
        signal,
        headersTimeout: patience,
        bodyTimeout: patience,
      })
      if (answer.statusCode >= 200 && answer.statusCode < 300) return answer
      throw await problemOf(answer)
    } catch (error) {
      signal.throwIfAborted()
      throw error instanceof DeepWatchError ? error : unreachable(whyNot(error), error)
    }
  }

  async function* pieces(answer: Answer): AsyncGenerator<Buffer> {
    try {
      yield* answer.body as AsyncIterable<Buffer>
    } catch (error) {
      call.work.signal.throwIfAborted()
      throw unreachable(whyNot(error), error)
    }
  }

  async function bytes(answer: Answer): Promise<Buffer> {
    const all: Buffer[] = []
    for await (const piece of pieces(answer)) all.push(piece)
    return Buffer.concat(all)
  }

  /** The error that a problem document tells of. */
  async function problemOf(answer: Answer): Promise<DeepWatchError> {
    let text = ''
    for await (const piece of pieces(answer)) if (text.length < maxProblemBytes) text += piece
    const { code, detail } = parse(text)
    return isErrorCode(code)
      ? new DeepWatchError(code, String(detail))
      : unreachable(`answered ${answer.statusCode} without a problem document; it may be no DeepWatch service`)
  }

  const json = async <Document>(path: string, asked?: Asked) => documentOf<Document>(await ask(path, asked))

  async function documentOf<Document>(answer: Answer): Promise<Document> {
    const document = parse((await bytes(answer)).toString())
    if (Object.keys(document).length > 0) return document as Document
    throw unreachable('answered with no JSON document; it may be no DeepWatch service')
  }

  async function pages<Item>(list: string): Promise<Item[]> {
    const items: Item[] = []
    let next: string | null = null
    do {
      const query: string = next === null ? '' : `?after=${encodeURIComponent(next)}`
      const page: Record<string, unknown> = await json(`${list}${query}`)
      if (!Array.isArray(page[list])) throw unreachable('answered with no list; it may be no DeepWatch service')
      items.push(...page[list])
      next = (page['next'] as string | null | undefined) ?? null
    } while (next !== null)
    return items
  }

  return { ask, json, documentOf, pages, bytes, pieces }
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

/** What went wrong on the way, for a person. */
function whyNot(error: unknown): string {
  const { code = 'unknown reason' } = error as { code?: string }
  const reasons: readonly [RegExp, string][] = [
    [/^ECONNREFUSED$/, 'nothing listens there'],
    [/^(ENOTFOUND|EAI_AGAIN)$/, 'its name is not known'],
    [/TIMEOUT|ETIMEDOUT/, 'it does not answer in time'],
    [/SSL|TLS|CERT|SIGNED|UNABLE_TO|EPROTO/, 'no trusted TLS connection'],
    [/^(ECONNRESET|EPIPE|UND_ERR_SOCKET|ERR_STREAM_PREMATURE_CLOSE|UND_ERR_\w+_MISMATCH)$/, 'the connection broke'],
  ]
  const [, reason] = reasons.find(([pattern]) => pattern.test(code)) ?? []
  return `${reason ?? 'it cannot be asked'} (${code})`
}

const wrong = (detail: string) => new DeepWatchError('validation_failed', detail)

/** Turns whatever was thrown into a problem document (RFC 9457), and logs what the client is not told. */
import { STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyBaseLogger, FastifyReply, FastifyRequest } from 'fastify'
import { DeepWatchError, type ErrorCode, errorTable } from '../errors.ts'

export const problemMediaType = 'application/problem+json'

/** What Fastify itself refuses, in our words. Its messages are not passed on. */
const frameworkCodes: Readonly<Record<string, [ErrorCode, string]>> = {
  FST_ERR_BAD_URL: ['malformed_request', 'The address is not valid percent-encoding.'],
  FST_ERR_CTP_INVALID_MEDIA_TYPE: ['unsupported_media_type', 'The Content-Type is not a media type this route takes.'],
  FST_STATIC_FORBIDDEN_PATH: ['not_found', 'There is nothing at this address.'],
  FST_ERR_MAX_PARAM_LENGTH: ['uri_too_long', 'A part of the address is too long.'],
}

/** The error of the table that stands for anything thrown: `internal_error` for an unknown error, whose text is not told. */
export function asDeepWatchError(error: unknown): DeepWatchError {
  if (error instanceof DeepWatchError) return error
  const code = (error as { code?: unknown } | null)?.code
  const known = typeof code === 'string' ? frameworkCodes[code] : undefined
  if (known) return new DeepWatchError(known[0], known[1], { cause: error })
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new DeepWatchError('storage_full', 'There is no room left to write.', { cause: error })
  if (code === 'EMFILE' || code === 'ENFILE')
    return new DeepWatchError('overloaded', 'There are too many open files.', { cause: error })
  const detail = 'The request failed on our side; the log has the reason under this request id.'
  return new DeepWatchError('internal_error', detail, { cause: error })
}

/** The problem document of an error: its facts, and the members that every problem has. */
export function problemOf(error: DeepWatchError, requestId: string) {
  const { status, title } = errorTable[error.code]
  return {
    ...error.facts,
    type: `urn:deepwatch:problem:${error.code}`,
    title,
    status,
    detail: error.message,
    code: error.code,
    requestId,
  }
}

/** Sends the problem document of an error. What is no client's mistake is logged with its cause, which is never sent. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = asDeepWatchError(error)
  const problem = problemOf(known, request.id)
  noteFailure(request, known, 'refused')
  const row = errorTable[known.code]
  if ('retryAfterSeconds' in row) reply.header('retry-after', String(row.retryAfterSeconds))
  if (known.code === 'unauthorized') reply.header('www-authenticate', 'Bearer realm="deepwatch"')
  leaveBody(request, reply)
  // As bytes, because Fastify would add a charset to a text, and JSON knows none.
  return reply
    .code(problem.status)
    .type(problemMediaType)
    .send(Buffer.from(JSON.stringify(problem)))
}

/** Logs our own failures with all we know, a full disk or registry as something to act upon, everything else by its code. */
export function noteFailure({ log }: FastifyRequest, error: DeepWatchError, message: string): void {
  const { code, status } = error
  if (status === 500) log.error({ code, err: error.cause ?? error }, message)
  else if (status > 503) log.warn({ code, err: error.cause }, message)
  else log.info({ code }, message)
}

const drainedBytes = 65_536
const drainMs = 15_000

/** A body nobody will read: a small one is taken off the connection; any other ends it with the answer. */
function leaveBody({ headers, raw }: FastifyRequest, reply: FastifyReply): void {
  if (raw.readableEnded || raw.destroyed) return
  if (headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > drainedBytes) {
    reply.header('connection', 'close')
    return
  }
  const timer = setTimeout(() => raw.destroy(), drainMs).unref()
  raw.once('close', () => clearTimeout(timer))
  raw.unpipe()
  raw.resume()
}

const parserCodes: Readonly<Record<string, [ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'The header fields are larger than 16 KiB.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The header fields came too slowly.'],
}

/** Answers a request that could not be parsed, once, and closes; a connection that is gone already is left alone. */
export function answerUnparsable(error: Error & { code?: string }, socket: Socket, log: FastifyBaseLogger): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [code, detail] = parserCodes[error.code ?? ''] ?? [
    'malformed_request',
    'This is not a well-formed HTTP request.',
  ]
  const requestId = crypto.randomUUID()
  log.info({ requestId, code }, 'refused')
  const problem = problemOf(new DeepWatchError(code, detail), requestId)
  const body = JSON.stringify(problem)
  const head = [
    `HTTP/1.1 ${problem.status} ${STATUS_CODES[problem.status] ?? 'Error'}`,
    `Content-Type: ${problemMediaType}`,
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ]
  socket.end(`${head.join('\r\n')}\r\n\r\n${body}`)
}

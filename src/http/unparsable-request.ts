/** The answer to a request that could not be parsed. */
import type { Socket } from 'node:net'
import type { FastifyBaseLogger } from 'fastify'
import type { ErrorCode } from '../errors.ts'
import { rawProblem } from './problem.ts'

const meanings: Readonly<Record<string, [ErrorCode, string]>> = {
  HPE_HEADER_OVERFLOW: ['headers_too_large', 'The header fields are larger than 16 KiB.'],
  ERR_HTTP_REQUEST_TIMEOUT: ['request_timeout', 'The header fields came too slowly.'],
}

/** Answers once with a problem document and closes; a connection that is gone already is left alone. */
export function answerUnparsable(error: Error & { code?: string }, socket: Socket, log: FastifyBaseLogger): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy()
    return
  }
  const [code, detail] = meanings[error.code ?? ''] ?? ['malformed_request', 'This is not a well-formed HTTP request.']
  const requestId = crypto.randomUUID()
  log.info({ requestId, code }, 'refused')
  socket.end(rawProblem(code, detail, requestId))
}

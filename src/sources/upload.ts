import type { Readable } from 'node:stream'
import { DeepWatchError } from '../errors.ts'
import type { SpoolWriter } from './spool.ts'

export interface UploadLimits {
  /** Bytes of one upload. */
  readonly uploadBytes: number
  /** An upload that brings nothing for this long is ended. */
  readonly uploadStallMs: number
  /** Bytes per second an upload must keep up once `uploadGraceMs` are over; 0 asks for none. */
  readonly uploadMinRate: number
  readonly uploadGraceMs: number
}

/**
 * Copies a body into the spool. Only the time spent waiting for the client counts, not our own writing. A failure leaves the
 * stream open, so that the request can still be answered on its connection.
 *
 * Throws `body_too_large`, `request_timeout`, `incomplete_body`, `storage_full`, `storage_error`.
 */
export async function receive(
  stream: Readable,
  writer: SpoolWriter,
  limits: UploadLimits,
  signal: AbortSignal | undefined,
): Promise<void> {
  const chunks = stream.iterator({ destroyOnReturn: false })[Symbol.asyncIterator]()
  let waitedMs = 0
  for (;;) {
    const since = performance.now()
    const step = await next(chunks, limits.uploadStallMs, signal)
    waitedMs += performance.now() - since
    if (step.done === true) break
    const chunk = typeof step.value === 'string' ? Buffer.from(step.value) : (step.value as Uint8Array)
    if (writer.bytes + chunk.length > limits.uploadBytes) {
      throw new DeepWatchError('body_too_large', `An upload may have at most ${limits.uploadBytes} bytes.`)
    }
    await writer.write(chunk)
    if (waitedMs > limits.uploadGraceMs && writer.bytes < (limits.uploadMinRate * waitedMs) / 1000) {
      throw new DeepWatchError('request_timeout', `An upload must bring ${limits.uploadMinRate} bytes a second.`)
    }
  }
  // A body cut short by its client ends its stream with `close` and without `end`.
  if (!stream.readableEnded) throw incomplete(undefined)
}

/** The next chunk, or a refusal when none comes in time, the stream fails or the request is given up. */
function next(
  chunks: AsyncIterator<unknown>,
  stallMs: number,
  signal: AbortSignal | undefined,
): Promise<IteratorResult<unknown>> {
  let settle = () => {}
  const refusal = new Promise<never>((_, reject) => {
    const stall = () =>
      reject(new DeepWatchError('request_timeout', `Nothing of the upload came for ${stallMs / 1000} seconds.`))
    const abort = () => reject(incomplete(signal?.reason))
    const timer = setTimeout(stall, stallMs)
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    settle = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', abort)
    }
  })
  const chunk = chunks.next().catch((cause: unknown) => {
    throw cause instanceof DeepWatchError ? cause : incomplete(cause)
  })
  return Promise.race([refusal, chunk]).finally(settle)
}

function incomplete(cause: unknown): DeepWatchError {
  return new DeepWatchError('incomplete_body', 'The upload ended before it was complete.', { cause })
}

/**
 * Compares the digest a client sent (RFC 9530, `sha-256=:base64:`) with that of what arrived. Other algorithms are passed
 * over, as the RFC asks. Throws `digest_mismatch`, and `malformed_request` for a field that cannot be read.
 */
export function checkDigest(field: string | null | undefined, sha256: string): void {
  if (field === null || field === undefined || field.trim() === '') return
  for (const member of field.split(',')) {
    const match = /^\s*([a-z0-9*_.-]+)\s*=\s*:([A-Za-z0-9+/=]*):\s*(;.*)?$/.exec(member)
    if (match === null) throw new DeepWatchError('malformed_request', 'The Content-Digest field could not be read.')
    if (match[1] === 'sha-256' && Buffer.from(match[2] ?? '', 'base64').toString('hex') !== sha256) {
      throw new DeepWatchError('digest_mismatch', 'The upload does not match its Content-Digest.')
    }
  }
}

/** Reading a body whole, up to a limit, and no slower than a client may send it. */
import type { IncomingMessage } from 'node:http'
import type { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Config } from '../config.ts'
import { DeepWatchError } from '../errors.ts'

function announcedLength({ headers }: FastifyRequest): number | null {
  const field = headers['content-length']
  return field === undefined ? null : Number(field)
}

/** Whether there is a body, as far as its announcement says. */
export const hasBody = (request: FastifyRequest): boolean =>
  request.headers['transfer-encoding'] !== undefined || (announcedLength(request) ?? 0) > 0

/** Whether nothing of the body is still to come. Node calls a request complete a moment after its last bytes. */
export const isReceived = (request: FastifyRequest): boolean =>
  request.raw.complete || request.raw.readableLength === announcedLength(request)

/** Asks for the body where the client waits for that; called when nothing is left that could refuse it unread. */
export function askForBody({ headers }: FastifyRequest, reply: FastifyReply): void {
  if (headers.expect !== undefined) reply.raw.writeContinue()
}

/** Reads the body of a request, at once where it is received already. Errors: `body_too_large`, `incomplete_body`. */
export function readBody(request: FastifyRequest, reply: FastifyReply, limit: number): Buffer | Promise<Buffer> {
  const announced = announcedLength(request)
  if (announced !== null && announced > limit) throw tooLarge(limit)
  askForBody(request, reply)
  const { raw } = request
  if (announced !== null && announced > 0 && raw.readableLength === announced) return raw.read() as Buffer
  return readWhole(raw, limit)
}

/** Reads a stream that must not be longer than `limit` bytes. Errors: `body_too_large`, `incomplete_body`. */
export function readWhole(stream: Readable, limit: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (action: () => void) => {
      stream.off('data', onData).off('end', onEnd).off('error', onCut).off('close', onCut)
      action()
    }
    const onData = (chunk: Buffer) => {
      chunks.push(chunk)
      size += chunk.length
      if (size <= limit) return
      stream.pause()
      settle(() => reject(tooLarge(limit)))
    }
    // A chunk may begin anywhere in its memory; `parseJson` takes four bytes at a time and wants the start of a word.
    const isAligned = () => chunks.length === 1 && (chunks[0]!.byteOffset & 3) === 0
    const onEnd = () => settle(() => resolve(isAligned() ? chunks[0]! : Buffer.concat(chunks)))
    const onCut = () =>
      settle(() => reject(new DeepWatchError('incomplete_body', 'The body ended before it was complete.')))
    stream.on('data', onData).on('end', onEnd).on('error', onCut).on('close', onCut)
  })
}

const tooLarge = (limit: number) =>
  new DeepWatchError('body_too_large', `The body is larger than ${limit} bytes.`, { facts: { limit } })

/** `failed` rejects with `request_timeout` when nothing comes for the stall time, or too little over the whole. */
export function watchBody(
  request: IncomingMessage,
  { DEEPWATCH_BODY_STALL_MS: stallMs, DEEPWATCH_BODY_MIN_RATE: minRate }: Config,
): { failed: Promise<never>; stop: () => void } {
  const started = performance.now()
  const before = request.socket.bytesRead
  let seen = before
  let seenAt = started
  let timer: NodeJS.Timeout | undefined
  const failed = new Promise<never>((_, reject) => {
    const look = () => {
      const now = performance.now()
      const bytes = request.socket.bytesRead
      if (bytes > seen) [seen, seenAt] = [bytes, now]
      if (request.complete || request.readableEnded) return
      const isSlow = now - started > stallMs && ((bytes - before) * 1000) / (now - started) < minRate
      if (isSlow || now - seenAt > stallMs) reject(new DeepWatchError('request_timeout', 'The body came too slowly.'))
    }
    timer = setInterval(look, Math.min(1000, stallMs / 2))
  })
  failed.catch(() => {})
  return { failed, stop: () => clearInterval(timer) }
}

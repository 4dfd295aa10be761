/** Clients that send their body too slowly. */
import type { IncomingMessage } from 'node:http'
import type { Config } from '../config.ts'
import { DeepWatchError } from '../errors.ts'

/** `failed` rejects with `request_timeout` when nothing comes for the stall time, or too little over the whole. */
export function watchBody(
  request: IncomingMessage,
  {
    DEEPWATCH_BODY_STALL_MS: stallMs,
    DEEPWATCH_BODY_MIN_RATE: minRate,
  }: Pick<Config, 'DEEPWATCH_BODY_STALL_MS' | 'DEEPWATCH_BODY_MIN_RATE'>,
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

/** Sends text that is made while it is sent, and gives up on clients that stop taking it. */
import { Readable } from 'node:stream'
import type { FastifyReply } from 'fastify'
import { asDeepWatchError, noteFailure } from './problem.ts'

/** An answer up to this size is held back until it is complete, so that a late failure still gets its status. */
const heldBack = 1024 * 1024

/**
 * Sends the pieces in order. Whatever fails within the first MiB is thrown, for a problem document; later
 * the connection is aborted without its final chunk, unless `lastWords` turns the error into a last piece.
 * A client that takes nothing for `stallMs` is dropped.
 */
export async function sendPieces(
  reply: FastifyReply,
  pieces: AsyncGenerator<string | Uint8Array>,
  stallMs: number,
  lastWords?: (error: unknown) => string,
): Promise<FastifyReply> {
  const head: Buffer[] = []
  let size = 0
  while (size <= heldBack) {
    const step = await pieces.next()
    if (step.done) return reply.send(head.length === 1 ? head[0] : Buffer.concat(head))
    const piece =
      typeof step.value === 'string'
        ? Buffer.from(step.value)
        : Buffer.from(step.value.buffer, step.value.byteOffset, step.value.byteLength)
    head.push(piece)
    size += piece.length
  }
  return reply.send(Readable.from(rest(reply, head, pieces, stallMs, lastWords), { objectMode: false }))
}

async function* rest(
  reply: FastifyReply,
  head: readonly Buffer[],
  pieces: AsyncGenerator<string | Uint8Array>,
  stallMs: number,
  lastWords: ((error: unknown) => string) | undefined,
): AsyncGenerator<string | Uint8Array> {
  // While a piece waits to be taken the generator is suspended: the timer then runs against the client.
  let timer: NodeJS.Timeout | undefined
  const wait = () => {
    timer = setTimeout(() => reply.raw.destroy(), stallMs)
  }
  try {
    for (const piece of head) {
      wait()
      yield piece
      clearTimeout(timer)
    }
    for await (const piece of pieces) {
      wait()
      yield piece
      clearTimeout(timer)
    }
  } catch (error) {
    noteFailure(reply.request, asDeepWatchError(error), 'an answer broke off')
    if (!lastWords) throw error
    yield lastWords(error)
  } finally {
    clearTimeout(timer)
    await pieces.return(undefined)
  }
}

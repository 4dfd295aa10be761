/** Sends answers that are made while they are sent, and gives up on clients that stop taking them. */
import { Readable } from 'node:stream'
import { finished } from 'node:stream/promises'
import type { FastifyReply } from 'fastify'
import { type Answer, isWhole, type Piece, type StreamedAnswer } from '../jobs/index.ts'
import { asDeepWatchError, noteFailure, problemOf } from './problem.ts'

/** An answer up to this size is held back until it is complete, so that a late failure still gets its status. */
const heldBack = 1024 * 1024

/**
 * Sends an answer, waits for what is made meanwhile, and closes it. What fails within the first MiB is thrown; later the answer
 * has last words, or its connection is aborted. A client that takes nothing for `stallMs` is dropped.
 */
export function sendAnswer(reply: FastifyReply, answer: Answer, stallMs: number): void | Promise<void> {
  reply.code(answer.status).headers(answer.headers).type(answer.type)
  return isWhole(answer) ? sendWhole(reply, answer.pieces) : sendStreamed(reply, answer, stallMs)
}

async function sendStreamed(reply: FastifyReply, answer: StreamedAnswer, stallMs: number): Promise<void> {
  try {
    const head: Piece[] = []
    let size = 0
    while (size <= heldBack) {
      const next = answer.pieces.next()
      const step = next instanceof Promise ? await next : next
      // The whole is in memory: what it was made of may go before it has left.
      if (step.done) return sendWhole(reply, head)
      head.push(step.value)
      size += step.value.length
    }
    // A client that leaves in the middle is no failure of ours.
    const left = finished(reply.raw).catch(() => {})
    if (answer.bytes !== null) reply.header('content-length', answer.bytes)
    reply.send(Readable.from(rest(reply, head, answer, stallMs), { objectMode: false }))
    await left
  } finally {
    await answer.close()
  }
}

async function* rest(
  reply: FastifyReply,
  head: readonly Piece[],
  { pieces, lastWords }: StreamedAnswer,
  stallMs: number,
): AsyncGenerator<Piece> {
  let timer: NodeJS.Timeout | undefined
  try {
    for await (const piece of inOrder(head, pieces)) {
      // While a piece waits to be taken the generator is suspended: the timer then runs against the client.
      timer = setTimeout(() => reply.raw.destroy(), stallMs)
      yield piece
      clearTimeout(timer)
    }
  } catch (error) {
    const known = asDeepWatchError(error)
    noteFailure(reply.request, known, 'an answer broke off')
    if (!lastWords) throw error
    yield lastWords(problemOf(known, reply.request.id))
  } finally {
    clearTimeout(timer)
    await pieces.return(undefined)
  }
}

async function* inOrder(head: readonly Piece[], pieces: StreamedAnswer['pieces']): AsyncGenerator<Piece> {
  yield* head
  yield* pieces
}

const asIs = (text: string) => text

/** A text leaves in one piece with its head. It is serialized already, and Fastify adds no charset to what it did not make. */
function sendWhole(reply: FastifyReply, pieces: readonly Piece[]): void {
  if (pieces.every((piece) => typeof piece === 'string')) reply.serializer(asIs as never).send(pieces.join(''))
  else reply.send(pieces.length === 1 ? asBuffer(pieces[0]!) : Buffer.concat(pieces.map(asBuffer)))
}

const asBuffer = (piece: Piece) =>
  typeof piece === 'string' ? Buffer.from(piece) : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)

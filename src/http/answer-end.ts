/** The end of an answer: sent whole, or given up because its connection closed. */
import type { Socket } from 'node:net'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** What is to be called when the connections close, by connection. */
const endings = new WeakMap<Socket, Set<() => void>>()

/**
 * Calls `end` once, when an answer was sent or can no longer be. Node does not tell answers that wait behind another one
 * of their connection when that closes, and a listener each would be too many for a client that asks in bulk.
 */
export function onceAnswered({ raw: { socket } }: FastifyRequest, reply: FastifyReply, end: () => void): void {
  const ends = endings.get(socket) ?? watch(socket)
  const over = () => {
    if (ends.delete(over)) end()
  }
  ends.add(over)
  reply.raw.on('close', over)
}

function watch(socket: Socket): Set<() => void> {
  const ends = new Set<() => void>()
  endings.set(socket, ends)
  socket.once('close', () => {
    for (const each of ends) each()
  })
  return ends
}

/** The HTTP server below Fastify: its own limits, and nothing that Node would answer on its own. */
import { createServer, type RequestListener, type Server } from 'node:http'

/** Hands every request to `handler`; a client that takes nothing of its answers for `stallMs` is dropped. */
export function createHttpServer(
  handler: RequestListener,
  { maxConnections, stallMs }: { maxConnections: number; stallMs: number },
): Server {
  const server = createServer(
    {
      headersTimeout: 10_000,
      connectionsCheckingInterval: 1_000,
      maxHeaderSize: 16_384,
      requestTimeout: 0,
      keepAliveTimeout: 72_000,
      // Missing in HTTP/1.1 it is refused by us, with a problem document.
      requireHostHeader: false,
    },
    handler,
  )
  server.maxConnections = maxConnections
  // Node would drop the fields past a number of its own in silence; they are counted before anything is believed.
  server.maxHeadersCount = 0
  // Node would ask for the body before anybody looked at the token, and answer 417 without a word.
  server.on('checkContinue', handler)
  server.on('checkExpectation', handler)
  // Silence alone is no reason: the answer may still be in the making. A kept connection has another time, set by Node.
  server.setTimeout(stallMs, (socket) => {
    if (socket.writableLength > 0 || socket.timeout !== stallMs) socket.destroy()
  })
  return server
}

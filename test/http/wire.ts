/** Raw bytes to the server and back, for requests that no decent client would send. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { inspect, makeReply, type Reply } from './client.ts'

export interface Exchange {
  /** Final answers in order; interim ones (100) are left out and counted. */
  readonly replies: readonly Reply[]
  readonly interim: number
  /** Bytes the kernel took from us. */
  readonly sent: number
}

/** A connection that keeps what it was told. Close it with `destroy`. */
export async function dial(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
  socket.on('error', () => {})
  await once(socket, 'connect')
  return socket
}

/**
 * Writes the pieces one after another, and reads until the server closes or, with `answers`, that many are complete.
 * With `end` our half of the connection is closed after the last piece.
 */
export async function exchange(
  url: string,
  pieces: readonly (string | Buffer)[] | AsyncIterable<string | Buffer>,
  options: { answers?: number; end?: boolean } = {},
): Promise<Exchange> {
  const socket = await dial(url)
  let received = Buffer.alloc(0)
  let notify: (() => void) | undefined
  socket.on('data', (chunk: Buffer) => {
    received = Buffer.concat([received, chunk])
    if (options.answers !== undefined && split(received).replies.length >= options.answers) notify?.()
  })
  const done = new Promise<void>((resolve) => {
    notify = resolve
    socket.once('close', () => resolve())
    // The server closed its half: nothing more will come.
    socket.once('end', () => resolve())
  })
  let proceed = () => {}
  socket.on('drain', () => proceed()).on('close', () => proceed())
  void (async () => {
    for await (const piece of pieces) {
      if (socket.destroyed || socket.writableEnded) return
      if (!socket.write(piece)) await new Promise<void>((resolve) => (proceed = resolve))
    }
    if (options.end) socket.end()
  })()
  await done
  const sent = socket.bytesWritten - socket.writableLength
  socket.destroy()
  const { replies, interim } = split(received)
  for (const reply of replies) inspect(reply, reply.headers['x-request-id'] !== undefined)
  return { replies, interim, sent }
}

function split(bytes: Buffer): { replies: Reply[]; interim: number } {
  const replies: Reply[] = []
  let interim = 0
  let rest = bytes
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end === -1) return { replies, interim }
    const [statusLine = '', ...lines] = rest.toString('latin1', 0, end).split('\r\n')
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(statusLine)?.[1])
    const headers: Record<string, string> = {}
    for (const line of lines) {
      const at = line.indexOf(':')
      headers[line.slice(0, at).toLowerCase()] = line.slice(at + 1).trim()
    }
    rest = rest.subarray(end + 4)
    if (status < 200) {
      interim++
      continue
    }
    const length = Number(headers['content-length'] ?? 0)
    if (rest.length < length) return { replies, interim }
    replies.push(makeReply(status, headers, rest.subarray(0, length)))
    rest = rest.subarray(length)
  }
}

/** A request as text; `Connection: close` unless told otherwise. */
export function rawRequest(
  line: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
  { keep = false } = {},
): string {
  const all = { Host: 'test', ...(keep ? {} : { Connection: 'close' }), ...headers }
  const fields = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`)
  return `${line} HTTP/1.1\r\n${fields.join('')}\r\n${body}`
}

/** A POST of JSON as text with its length. */
export function rawJson(path: string, body: string, headers: Readonly<Record<string, string>> = {}): string {
  const length = String(Buffer.byteLength(body))
  return rawRequest(`POST ${path}`, { 'Content-Type': 'application/json', 'Content-Length': length, ...headers }, body)
}

/** A chunked body that never ends, until the server has had enough. */
export async function* endless(head: string): AsyncGenerator<string> {
  yield head
  const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`
  for (;;) yield chunk
}

/** The head of a request with a chunked body. */
export const rawHead = (line: string, headers: Readonly<Record<string, string>> = {}): string =>
  rawRequest(line, { 'Transfer-Encoding': 'chunked', ...headers }, '', { keep: true })

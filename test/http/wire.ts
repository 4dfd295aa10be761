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
  /** All that came, as text. */
  readonly received: string
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
  const chunks: Buffer[] = []
  let notify: (() => void) | undefined
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    if (options.answers !== undefined && split(Buffer.concat(chunks)).replies.length >= options.answers) notify?.()
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
  const received = Buffer.concat(chunks)
  const { replies, interim } = split(received)
  for (const reply of replies) inspect(reply, reply.headers['x-request-id'] !== undefined)
  return { replies, interim, sent, received: received.toString('latin1') }
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

/** Rows of `holdAnswer`. */
export const heldRows = 10_000

/**
 * Asks for the scores of rows of `cpu` and `latency` as NDJSON and stops taking the answer after its first bytes. The rows
 * echo a long name, so that the answer (80 MB) is more than the system keeps for us: it stays half-way until `rest` takes it all.
 */
export async function holdAnswer(
  url: string,
  model: string,
  accept = 'application/x-ndjson',
): Promise<{ socket: Socket; rest(): Promise<string> }> {
  const name = 'n'.repeat(8_000)
  const row = '{"cpu":1,"latency":2}'
  const rows = `${`${row},`.repeat(heldRows - 1)}{"cpu":1,"latency":2,"${name}":1}`
  const body = `{"model":"${model}","include":["${name}"],"rows":[${rows}]}`
  const socket = await dial(url)
  socket.write(rawJson('/score', body, { Accept: accept }))
  const chunks: Buffer[] = []
  const [first] = (await once(socket, 'data')) as [Buffer]
  socket.pause()
  chunks.push(first)
  return {
    socket,
    async rest() {
      const ended = once(socket, 'end')
      socket.on('data', (chunk: Buffer) => chunks.push(chunk))
      socket.resume()
      await ended
      socket.destroy()
      return Buffer.concat(chunks).toString('latin1')
    },
  }
}

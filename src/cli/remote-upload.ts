/** A local file on its way to a service: multipart, the settings first. */
import { randomBytes } from 'node:crypto'
import { Readable } from 'node:stream'
import { DeepWatchError } from '../errors.ts'
import type { Call } from './command.ts'
import { givenStream } from './given.ts'
import type { Answer, Remote } from './remote-client.ts'

/**
 * Sends the one file that the call names with these settings, and gives the answer. Errors: those of `ask`, `validation_failed`
 * for several files or a folder, `source_not_found`, `source_unreadable`.
 */
export async function upload(
  call: Call,
  remote: Remote,
  path: string,
  settings: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const file = (await givenStream(call))()
  const boundary = `deepwatch-${randomBytes(16).toString('hex')}`
  const type = `multipart/form-data; boundary=${boundary}`
  const ask = (body: Readable | string) =>
    remote.ask(path, { method: 'POST', isWork: true, body, headers: { ...headers, 'content-type': type } })
  let failure: unknown
  file.on('error', (error: NodeJS.ErrnoException) => {
    failure = new DeepWatchError('source_unreadable', `The file cannot be read (${error.code}).`, { cause: error })
  })
  try {
    return await ask(Readable.from(multipart(boundary, settings, file), { objectMode: false }))
  } catch (error) {
    const isBroken = error instanceof DeepWatchError && error.code === 'server_unreachable'
    throw failure ?? (isBroken ? await ask('').then(() => error, refusalOr(error)) : error)
  } finally {
    file.destroy()
  }
}

/**
 * A service that refuses a request before it has read the body closes the connection, and its answer may be lost: the same request
 * without a body tells whether it was refused (`refusal`), or is wrong for having none (400).
 */
const refusalOr = (error: DeepWatchError) => (refusal: DeepWatchError) => (refusal.status === 400 ? error : refusal)

async function* multipart(boundary: string, settings: object, file: Readable): AsyncGenerator<Buffer> {
  const head = (name: string, type: string) =>
    `--${boundary}\r\nContent-Disposition: form-data; ${name}\r\nContent-Type: ${type}\r\n\r\n`
  const config = `${head('name="config"', 'application/json')}${JSON.stringify(settings)}\r\n`
  yield Buffer.from(config + head('name="file"; filename="telemetry"', 'application/octet-stream'))
  yield* file
  yield Buffer.from(`\r\n--${boundary}--\r\n`)
}

/** Two header fields of a request for work: whether it wants to wait, and how it is known again. */
import type { FastifyRequest } from 'fastify'
import { DeepWatchError } from '../errors.ts'
import type { Field } from './operation.ts'

const quoted = /"(?:[^"\\]|\\.)*"/g
const respondAsync = /(?:^|,)[ \t]*respond-async[ \t]*(?:=[ \t]*""[ \t]*)?(?:;[^,]*)?(?:,|$)/i

/** Whether the client would rather have a job than wait (`Prefer: respond-async`, RFC 7240). */
export function prefersAsync({ headers }: Pick<FastifyRequest, 'headers'>): boolean {
  if (headers['prefer'] === undefined) return false
  const field = [headers['prefer']].flat().join(',')
  return field.length > 0 && respondAsync.test(field.replace(quoted, '""'))
}

const visible = /^[!-~]{1,255}$/
const asString = /^"((?:[ !#-[\]-~]|\\["\\])*)"$/

/** The Idempotency-Key, in quotes or bare; null without one. Throws `invalid_id` for no visible ASCII. */
export function idempotencyKey({ headers }: Pick<FastifyRequest, 'headers'>): string | null {
  const field = headers['idempotency-key']
  if (field === undefined) return null
  const text = [field].flat().join(', ')
  const key = asString.exec(text)?.[1]?.replace(/\\(["\\])/g, '$1') ?? text
  if (visible.test(key)) return key
  throw new DeepWatchError('invalid_id', 'Idempotency-Key: a key is 1 to 255 visible ASCII characters, given once.')
}

/** Both, as the OpenAPI document shows them, and how a body may be packed. */
export const workFields: Readonly<Record<string, Field>> = {
  'Content-Encoding': {
    description:
      '`gzip` or `zstd`: what the body is packed with, unless it is a form. A file that is packed itself needs no field.',
    example: 'gzip',
  },
  Prefer: {
    description: '`respond-async` answers 202 with a job as soon as the body is taken in.',
    example: 'respond-async',
  },
  'Idempotency-Key': {
    description:
      'Up to 255 visible ASCII characters that are yours alone. The same request with the same key gets the first answer again, for as long as answers are kept; with `Prefer: respond-async` the same job. Another request with the key is refused, and so is one while the first is under way. What failed with a 5xx, was cancelled or interrupted gives its key free. Such an answer is kept whole before it is sent.',
    example: '8e03978e-40d5-43e8-bc93-6894a57f9324',
  },
}

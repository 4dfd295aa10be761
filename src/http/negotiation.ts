/** Which of its forms an answer takes, by `Accept`: decided before a body is read or anything is done. */
import type { FastifyInstance } from 'fastify'
import { DeepWatchError } from '../errors.ts'
import type { Operation } from './operation.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The media type of a good answer; empty where a route has no body to answer with. */
    form: string
  }
}

/** A parameter of a media range other than its quality. */
const parameter = /;\s*(?!q=)[^;,=\s]+=(?:"(?:[^"\\]|\\.)*"|[^;,]*)/gi

/** Chooses among the forms of a route, the first by default; `not_acceptable` when the client takes none. */
export function negotiateForms(app: FastifyInstance): void {
  app.decorateRequest('form', '')
  app.addHook('onRequest', (request, _reply, done) => {
    const { operation, scope, formIsASetting } = request.route
    if (!operation || scope === 'public') return done()
    const forms = formsOf(operation)
    if (forms.length === 0) return done()
    const { headers } = request.raw
    if (headers.accept === undefined || headers.accept === '*/*') {
      request.form = forms[0]!
      return done()
    }
    // No form has parameters: `text/plain;version=0.0.4`, as Prometheus asks for it, means text/plain.
    headers.accept = headers.accept.replace(parameter, '')
    const form = request.type(forms)
    if (typeof form === 'string') request.form = form
    else if (!formIsASetting) throw notAcceptable(forms)
    done()
  })
}

const known = new WeakMap<Operation, string[]>()

function formsOf(operation: Operation): string[] {
  const forms = known.get(operation) ?? [
    ...new Set(Object.values(operation.answers).flatMap(({ content }) => Object.keys(content ?? {}))),
  ]
  known.set(operation, forms)
  return forms
}

/** The error for a client that takes none of the forms there are. */
export function notAcceptable(forms: readonly string[]): DeepWatchError {
  return new DeepWatchError('not_acceptable', `The answer can be given as ${forms.join(', ')}.`)
}

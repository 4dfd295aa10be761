/** Who may call what: bearer tokens with scopes. Only hashes are held and compared. */
import { createHash, timingSafeEqual } from 'node:crypto'
import type { FastifyInstance } from 'fastify'
import type { Scope, Token } from '../config.ts'
import { DeepWatchError } from '../errors.ts'

declare module 'fastify' {
  interface FastifyContextConfig {
    /** The scope a caller needs, or any of several; `public` for health. A route that names none needs `admin`. */
    scope?: Scope | 'public' | readonly Scope[]
  }
  interface FastifyRequest {
    /** Whose token it came with; null in a service without tokens. */
    caller: Pick<Token, 'name' | 'scopes'> | null
  }
}

const bearer = /^Bearer +([A-Za-z0-9._~+/=-]{1,512})$/i

/** Guards every route before a body is read, where there are tokens. Answers `unauthorized`, `forbidden`. */
export function guard(app: FastifyInstance, tokens: readonly Token[] | undefined): void {
  app.decorateRequest('caller', null)
  if (!tokens) return
  app.addHook('onRequest', (request, _reply, done) => {
    const scope = request.route.scope ?? 'admin'
    if (scope === 'public') return done()
    const given = bearer.exec(request.headers.authorization ?? '')?.[1]
    const digest = given && createHash('sha256').update(given).digest()
    // All are compared, so that the time tells nothing about which one matched.
    const token = digest && tokens.filter(({ sha256 }) => timingSafeEqual(digest, sha256)).at(-1)
    if (!token) throw new DeepWatchError('unauthorized', 'This needs a valid bearer token.')
    // A route that does not exist needs any token, so that nobody without one learns anything from 404.
    if (request.is404) return done()
    const scopes = [scope].flat()
    if (!scopes.some((each) => token.scopes.has(each)))
      throw new DeepWatchError('forbidden', `This needs a token with the scope ${scopes.join(' or ')}.`)
    request.caller = token
    done()
  })
}

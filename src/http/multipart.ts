/** The multipart parser, without its clean-up. */
import multipart from '@fastify/multipart'
import type { FastifyInstance, FastifyPluginCallback } from 'fastify'

/**
 * Registers what reads parts (`request.files`). The hooks of the plugin, two promises and a listener for every request of
 * any kind, remove files that it saved; here every part is a stream that `takeIn` reads, and nothing is saved.
 */
export const multipartParser: FastifyPluginCallback<Parameters<typeof multipart>[1]> = (app, options, done) => {
  const withoutHooks: FastifyInstance = Object.create(app, { addHook: { value: () => withoutHooks } })
  multipart(withoutHooks, options, done)
}

// As the plugin itself: what it decorates belongs to everybody.
Object.assign(multipartParser, { [Symbol.for('skip-override')]: true })

/** Whether a command asks a service. Loads no client. */
import { DeepWatchError } from '../errors.ts'
import type { Call } from './command.ts'

/** Whether a command is to ask a service. Errors: `unused_setting` for a token without one. */
export function isRemote(call: Call): boolean {
  const isAsked = call.text('server') !== undefined
  if (!isAsked && call.text('token') !== undefined)
    throw new DeepWatchError('unused_setting', '--token: is for a service; name it with --server.')
  return isAsked
}

/** The operands of commands that do several things: `models show web`, `jobs cancel ID`. */
import { DeepWatchError } from '../errors.ts'
import type { Call } from './command.ts'
import { show } from './output.ts'

/**
 * What to do, `list` when nothing is named, and to what: null for a list alone. Error: `validation_failed` for a verb that is
 * not among `verbs`, and for too many operands or none.
 */
export function verbOf(
  { command, operands }: Call,
  verbs: readonly string[],
): { verb: string; operand: string | null } {
  const [verb = 'list', operand, ...more] = operands
  const { name } = command
  if (!verbs.includes(verb)) throw wrong(`${name} knows no ${show(verb)}; there are ${verbs.join(', ')}.`)
  if (more.length > 0 || (verb === 'list') !== (operand === undefined))
    throw wrong(`${name} ${verb} takes ${verb === 'list' ? 'nothing' : `one ${name.slice(0, -1)}`} more.`)
  return { verb, operand: operand ?? null }
}

const wrong = (detail: string) => new DeepWatchError('validation_failed', detail)

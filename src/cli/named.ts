/** What the words of a call name beside files: a verb, a model, a service. */
import { DeepWatchError } from '../errors.ts'
import type { ModelSummary } from '../registry/index.ts'
import { modelReferencePattern } from '../schemas/index.ts'
import type { Call } from './command.ts'
import { show, unused, wrong } from './usage.ts'

/** Refuses what a command does not take. */
export function noOperands({ operands, command }: Call): void {
  if (operands.length > 0) throw wrong(`${command.name} takes no ${show(operands[0]!)}.`)
}

/**
 * What to do, `list` when nothing is named, and to what: empty for a list alone. Error: `validation_failed` for a verb that is
 * not among `verbs`, and for too many operands or none.
 */
export function verbOf({ command: { name }, operands }: Call, verbs: readonly string[]) {
  const [verb = 'list', operand, ...more] = operands
  if (!verbs.includes(verb)) throw wrong(`${name} knows no ${show(verb)}; there are ${verbs.join(', ')}.`)
  if (more.length > 0 || (verb === 'list') !== (operand === undefined))
    throw wrong(`${name} ${verb} takes ${verb === 'list' ? 'nothing' : `one ${name.slice(0, -1)}`} more.`)
  return { verb, operand: operand ?? '' }
}

/** Whether a command is to ask a service. Error: `unused_setting` for a token without one. */
export function isRemote(call: Call): boolean {
  const isAsked = call.text('server') !== undefined
  if (!isAsked && call.text('token') !== undefined) throw unused('--token: is for a service; name it with --server.')
  return isAsked
}

/** The `--model` of a call. Error: `validation_failed` without one, and for the path of a file where a service is asked. */
export function namedModel(call: Call): string {
  const named = call.text('model')
  if (named === undefined) throw wrong('--model is needed: NAME, NAME@3 or the path of a model file.')
  if (call.text('server') !== undefined && !modelReferencePattern.test(named))
    throw wrong('--model: a service knows NAME or NAME@3.')
  return named
}

/** `NAME` or `NAME@V`, taken apart; `version` is null where none is named. Error: `invalid_id`. */
export function splitReference(reference: string): { name: string; version: string | null } {
  const [, name, version] = modelReferencePattern.exec(reference) ?? []
  if (name === undefined) throw new DeepWatchError('invalid_id', `${show(reference)} is no model: NAME or NAME@V.`)
  return { name, version: version ?? null }
}

/** The version that is meant by the name alone. */
export const servingOf = ({ serving, newest }: ModelSummary): string => String(serving ?? newest)

/** `NAME` and `NAME@V`, taken apart. */
import { DeepWatchError } from '../errors.ts'
import type { ModelSummary } from '../registry/index.ts'
import { modelReferencePattern } from '../schemas/index.ts'
import { show } from './output.ts'

/** `version` is null where none is named. Error: `invalid_id`. */
export function splitReference(reference: string): { name: string; version: string | null } {
  const [, name, version] = modelReferencePattern.exec(reference) ?? []
  if (name === undefined) throw new DeepWatchError('invalid_id', `${show(reference)} is no model: NAME or NAME@V.`)
  return { name, version: version ?? null }
}

/** The version that is meant by the name alone. */
export const servingOf = ({ serving, newest }: ModelSummary): string => String(serving ?? newest)

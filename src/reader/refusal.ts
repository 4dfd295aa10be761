import { DeepWatchError } from '../errors.ts'
import type { Column } from './types.ts'

/** The column, unless its files disagree about it or nobody can decode it: throws its refusal. */
export function usable<T extends Pick<Column, 'refusal'>>(column: T): T {
  const { refusal } = column
  if (refusal) throw new DeepWatchError(refusal.code, refusal.detail, { facts: refusal.facts })
  return column
}

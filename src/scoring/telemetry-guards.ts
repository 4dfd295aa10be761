/** The guards of a version: what its document says about the values that training saw. */
import type { Block } from '../kernels/index.ts'
import { type Guards, outsideOf } from '../kernels/scores/index.ts'
import type { RowReason, VersionDocument } from '../schemas/index.ts'

const none: readonly never[] = []

/** Reasons given for a row, at most. */
const maxReasons = 10

/** The trained range of every feature but the time context; null without guards. `auto` may leave derived features out. */
export function guardsOf({ features, guards }: VersionDocument): Guards | null {
  if (!guards) return null
  const isGuarded = (kind: string) => kind !== 'timeContext' && (kind !== 'derived' || guards.derived !== false)
  const bound = (edge: 'min' | 'max', none: number) =>
    Float64Array.from(features, ({ kind, profile }) => (isGuarded(kind) ? (profile[edge] ?? none) : none))
  return {
    min: bound('min', Number.NEGATIVE_INFINITY),
    max: bound('max', Number.POSITIVE_INFINITY),
    level: guards.level,
  }
}

/** Why a row was raised, the strongest reason first. @param names of the features, in order */
export function reasonsOf(
  guards: Guards | null,
  names: readonly string[],
  block: Block<ArrayBufferLike>,
  row: number,
): readonly RowReason[] {
  if (guards === null) return none
  const outside = outsideOf(guards, block, row, maxReasons)
  return outside.length === 0
    ? none
    : outside.map(({ column, isNovel }) => ({
        reason: isNovel ? 'novel_value' : 'out_of_range',
        feature: names[column]!,
      }))
}

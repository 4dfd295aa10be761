/** Derived features between the words of a request or a document and what the kernel takes. */
import type { Derivation } from '../kernels/history/index.ts'
import type { HistoryQuery } from '../reader/index.ts'
import { type DerivedFeature, durationSeconds, type Feature, featureName, windowOf } from '../schemas/index.ts'

/** A derived feature as the version document holds it, without its profile. */
export type Derived = Omit<Extract<Feature, { kind: 'derived' }>, 'profile'>

/** A pause this many times the typical step is a gap. */
const gapSteps = 5
const daySeconds = 86_400

/** What a request asks for, with everything filled in. `interval` is the typical step in microseconds, null when unknown. */
export function describeDerived(
  feature: DerivedFeature,
  column: { readonly kind: 'number' | 'boolean'; readonly type: string },
  interval: number | null,
): Derived {
  const typical = interval === null ? null : (gapSteps * interval) / 1e6
  return {
    name: featureName(feature),
    kind: 'derived',
    column: feature.column,
    columnKind: column.kind,
    type: column.type,
    derive: feature.derive,
    window: windowOf(feature),
    maxGapSeconds: feature.maxGap === undefined ? typical : durationSeconds(feature.maxGap),
  }
}

export const isDerived = (feature: Feature): feature is Extract<Feature, { kind: 'derived' }> =>
  feature.kind === 'derived'

/** How the stream derives these features, in their order; undefined when there are none. */
export function historyQuery(
  features: readonly Derived[],
  entity: string | null,
  maxBytes: number,
): HistoryQuery | undefined {
  if (features.length === 0) return undefined
  const columns = new Map(features.map(({ column, columnKind }) => [column, { name: column, kind: columnKind }]))
  const order = [...columns.keys()]
  const derivations = features.map(
    ({ column, derive, window, maxGapSeconds }): Derivation => ({
      column: order.indexOf(column),
      derive,
      rows: typeof window === 'number' ? window : null,
      micros: typeof window === 'number' ? null : 1e6 * (window === null ? daySeconds : durationSeconds(window)),
      maxGap: maxGapSeconds === null ? null : 1e6 * maxGapSeconds,
    }),
  )
  return { columns: [...columns.values()], derivations, entity: entity ?? undefined, maxBytes }
}

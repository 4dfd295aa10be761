/** Over which range a feature is drawn: robust, so that one far value does not flatten everything else. */
import type { FeatureRange } from '../reader/index.ts'
import type { Feature, FeatureProfile } from '../schemas/index.ts'

/** Equal bins over the range; a report's picture has one more at each end. */
export const featureBins = 32

/**
 * The range from the 1st to the 99th percentile of training, half as wide again at each side where values of that sign
 * occurred; usual is what lies between the 5th and the 95th. Null for a feature without a value, and for parts of the time
 * context, which the clock's own picture shows.
 */
export function rangeOf(feature: Feature): FeatureRange | null {
  const { quantiles } = feature.profile
  // What is derived is no column that could be counted in the source.
  if (feature.kind === 'timeContext' || feature.kind === 'derived' || quantiles === null) return null
  const usual = { usualLow: quantiles.p05, usualHigh: quantiles.p95 }
  if (feature.kind === 'boolean') return { low: -0.5, high: 1.5, ...usual }
  const { low, high } = robustRange(feature.profile, quantiles.p01, quantiles.p99)
  return Number.isFinite(high - low) && high > low ? { low, high, ...usual } : null
}

/** Where a value is counted: 0 below the range, `bins` + 1 above it, else 1 to `bins`. */
export function binOf(value: number, { low, high }: Pick<FeatureRange, 'low' | 'high'>, bins = featureBins): number {
  if (value < low) return 0
  return value > high ? bins + 1 : 1 + Math.min(Math.floor(((value - low) / (high - low)) * bins), bins - 1)
}

function robustRange({ min, max }: FeatureProfile, p01: number, p99: number): { low: number; high: number } {
  const [from, to] = p01 < p99 ? [p01, p99] : [min ?? p01, max ?? p99]
  const half = to > from ? (to - from) / 2 : Math.max(Math.abs(to) / 2, 0.5)
  return {
    low: min !== null && min >= 0 ? Math.max(0, from - half) : from - half,
    high: max !== null && max <= 0 ? Math.min(0, to + half) : to + half,
  }
}

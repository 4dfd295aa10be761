import { transitionsWithin } from '../../../src/aggregate/index.ts'
import type { ZoneTransitions } from '../../../src/kernels/history/index.ts'
import type { FeatureQuery } from '../../../src/reader/index.ts'
import type { Database, Relation } from '../database/index.ts'
import { spanOf } from './span.ts'

/**
 * The offset of local time at the epoch second `second`, for `sql/features.sql`. It holds the transitions from the first to the last
 * time that is read, as far as these are known beforehand: from the window, or from the statistics of a Parquet file.
 */
export async function localOffset(database: Database, relation: Relation, query: FeatureQuery): Promise<string> {
  const { timestamp, window, transitions } = query
  if (transitions === undefined || !query.features.some((feature) => 'timeContext' in feature)) return '0'
  const hasStatistics = window === undefined && timestamp !== undefined && relation.groupRows !== undefined
  const span = hasStatistics
    ? await spanOf(database, relation, { timestamp })
    : { from: window?.from ?? null, to: window?.to ?? null }
  return offsetExpression(transitionsWithin(transitions, span.from ?? -Infinity, span.to ?? Infinity))
}

/** A tree of comparisons: a row meets one for a span of half a year, and eight for 130 years. Nothing is held or sorted, as by a join. */
function offsetExpression({ utc, offset }: ZoneTransitions): string {
  const between = (first: number, end: number): string => {
    if (end - first === 1) return String(offset[first])
    const middle = (first + end) >> 1
    return `case when second < ${utc[middle]} then ${between(first, middle)} else ${between(middle, end)} end`
  }
  return between(0, utc.length)
}

import { quantileOf } from './scaling.ts'

/** A line that puts the scores of different detectors on one scale: 0 at the median of held-back rows, 1 at their 95th percentile. */
export interface MemberScale {
  readonly middle: number
  readonly unit: number
}

/**
 * The line for one member. A member that says the same of nearly all rows, as distances do of copies, is measured
 * farther out, where a share of 1 - q lies ln(1 - q) / ln(0.05) units away as in an exponential tail.
 *
 * @param sorted what the member says of the held-back rows, ascending, finite
 */
export function memberScale(sorted: Float64Array): MemberScale {
  const middle = quantileOf(sorted, 0.5)
  for (const share of [0.05, 0.01, 0.001, 1 / (sorted.length + 1)]) {
    const width = quantileOf(sorted, 1 - (share < 1 / sorted.length ? 0 : share)) - middle
    if (width > 0) return { middle, unit: (width * Math.log(0.05)) / Math.log(share) }
  }
  return { middle, unit: 1 }
}

/**
 * A soft maximum: ln of the mean of exp(values). Between mean and maximum, and rising in every value, so that a row
 * on which members agree comes before one that a single member names as loudly; far out it is the maximum less a
 * constant. Wilson (2019), "The harmonic mean p-value", PNAS 116, combines tail probabilities this way.
 */
export function softMaximum(values: Float64Array): number {
  let highest = Number.NEGATIVE_INFINITY
  for (const value of values) if (value > highest) highest = value
  let sum = 0
  for (const value of values) sum += Math.exp(value - highest)
  return highest + Math.log(sum / values.length)
}

/** How the scaled scores of the members become one statistic. */
export const rules = ['soft', 'mean', 'max'] as const
export type Rule = (typeof rules)[number]

/**
 * Makes one number of what the members say of a row: their levels on one scale, combined by the rule.
 * @returns a function of what each member says, by its place
 */
export function createStatistic(
  members: readonly MemberScale[],
  rule: Rule,
): (said: (member: number) => number) => number {
  const levels = new Float64Array(members.length)
  return (said) => {
    let sum = 0
    let highest = Number.NEGATIVE_INFINITY
    for (let m = 0; m < levels.length; m++) {
      const { middle, unit } = members[m] as MemberScale
      const level = Math.min((said(m) - middle) / unit, Number.MAX_VALUE / levels.length)
      levels[m] = level
      sum += level
      if (level > highest) highest = level
    }
    return rule === 'soft' ? softMaximum(levels) : rule === 'mean' ? sum / levels.length : highest
  }
}

/**
 * Calibration by held-back rows: turns a statistic into the share of rows that are at most this strange, in (0, 1) and rising with the
 * statistic without end. Up to the last 128th of them it is their share that is at most this strange,
 * interpolated (rank / (n + 1)); beyond, what is left falls off as 1 / (1 + excess / scale), with the median
 * excess of the held-back rows there as scale: a generalised Pareto tail (Pickands 1975) whose shape is held at 1, the
 * heaviest that is usual, so that few rows cannot promise too much, and rows far out still rank.
 *
 * @param sorted the statistic of the held-back rows, ascending, finite, at least one
 */
export function calibrate(sorted: Float64Array): (statistic: number) => number {
  const n = sorted.length
  const tail = Math.min(n - 1, Math.max(4, Math.ceil(n / 128)))
  const edge = sorted[n - 1 - tail]!
  const smallest = 1e-6 * Math.max(1, Math.abs(edge))
  const scale = Math.max(sorted[n - 1 - (tail >> 1)]! - edge, smallest)
  const beyondEdge = (tail + 1) / (n + 1)
  const first = sorted[0]!
  return (statistic) => {
    if (statistic >= edge) return 1 - beyondEdge / (1 + (statistic - edge) / scale)
    if (statistic < first) return 1 / (n + 1) / (1 + (first - statistic) / scale)
    // The last row that is not above: ties count in full.
    let from = 0
    let to = n
    while (from < to) {
      const middle = (from + to) >>> 1
      if (sorted[middle]! <= statistic) from = middle + 1
      else to = middle
    }
    const low = sorted[from - 1]!
    const high = sorted[from]!
    return (from + (statistic - low) / (high - low)) / (n + 1)
  }
}

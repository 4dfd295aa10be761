/**
 * A distance as a score: L / (1 + L) with L = ln(1 + distance / unit), in [0, 1). Monotone, about 0.41 at one unit.
 * The logarithm keeps the doubles near 1 apart: distances of 1e300 and 1.1e300 units still rank in their order,
 * where d / (d + 1) would be 1 from 1e16 on.
 *
 * @param distance >= 0
 * @param unit > 0
 */
export function distanceScore(distance: number, unit: number): number {
  const level = Math.log1p(distance / unit)
  return level / (1 + level)
}

/** Turns a score in [0, 1] into s / (1 - s): the level of `distanceScore`, unbounded above. */
export function oddsOf(score: number): number {
  return score / Math.max(1 - score, Number.EPSILON / 2)
}

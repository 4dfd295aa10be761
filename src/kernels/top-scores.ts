import { select } from './select.ts'

/**
 * The threshold that a contamination asks for: the smallest training score t for which the share of
 * scores > t is at most the contamination, that is count(> t) / n <= contamination in float64.
 */
export interface TopScores {
  /** Adds scores of training rows; NaN (an unscored row) is passed over. */
  offer(scores: Float64Array): void
  /** The threshold over all offered scores and how many lie above it; `exact` is false when only a histogram was kept. */
  threshold(): { value: number; exact: boolean; above: number }
}

/** Scores kept exactly: enough for 10 million rows at a contamination just below 0.5. */
const mostKept = 5_000_001
const leastSlack = 65_536
const fineBins = 2 ** 20

/**
 * How many of n scores may lie above the threshold: the largest m with m / n <= contamination.
 * Not floor(contamination * n): 0.07 * 100 is 7.000000000000001 and 0.29 * 100 is 28.999999999999996.
 */
export function allowedAbove(n: number, contamination: number): number {
  let m = Math.max(0, Math.min(n, Math.floor(contamination * n)))
  while (m > 0 && m / n > contamination) m--
  while (m < n && (m + 1) / n <= contamination) m++
  return m
}

/**
 * Collects the scores of `n` rows in bounded memory.
 *
 * @param n number of scores that will be offered, NaN not counted; >= 1
 * @param contamination in (0, 0.5)
 * @param kept most scores to keep; more would be needed for a larger n, then a histogram of 2^20 bins
 *   stands in, whose threshold is the upper end of a bin: never too many above, at most 1e-6 too high
 */
export function createTopScores(n: number, contamination: number, kept: number = mostKept): TopScores {
  const above = allowedAbove(n, contamination)
  return above + 1 <= kept ? keepLargest(above + 1) : countFinely(above)
}

/** Keeps the `size` largest scores; the threshold is the smallest of them. */
function keepLargest(size: number): TopScores {
  const buffer = new Float64Array(size + Math.max(leastSlack, Math.floor(size / 4)))
  let length = 0
  let floor = Number.NEGATIVE_INFINITY

  function compact(): void {
    if (length <= size) return
    select(buffer.subarray(0, length), [length - size])
    floor = buffer[length - size]!
    buffer.copyWithin(0, length - size, length)
    length = size
  }

  return {
    offer(scores) {
      for (const score of scores) {
        // Also false for NaN. A score equal to the floor cannot change the smallest of the kept ones.
        if (!(score > floor)) continue
        buffer[length++] = score
        if (length === buffer.length) compact()
      }
    },
    threshold() {
      compact()
      let least = Number.POSITIVE_INFINITY
      for (let i = 0; i < length; i++) least = Math.min(least, buffer[i] as number)
      let above = 0
      // Ties with the threshold are not above it, so this may be less than was allowed.
      for (let i = 0; i < length; i++) if ((buffer[i] as number) > least) above++
      return { value: length === 0 ? 0 : least, exact: true, above }
    },
  }
}

function countFinely(above: number): TopScores {
  const counts = new Float64Array(fineBins)
  return {
    offer(scores) {
      for (const score of scores) {
        if (Number.isNaN(score)) continue
        const bin = Math.min(fineBins - 1, Math.floor(score * fineBins))
        counts[bin] = (counts[bin] as number) + 1
      }
    },
    threshold() {
      let bin = fineBins
      let sum = 0
      while (bin > 0 && sum + (counts[bin - 1] as number) <= above) sum += counts[--bin] as number
      return { value: bin / fineBins, exact: false, above: sum }
    },
  }
}

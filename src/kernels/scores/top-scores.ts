import { select } from '../index.ts'

/** A threshold and the number of scores above it; `exact` when it is the very score that was looked for. */
export interface FoundThreshold {
  readonly value: number
  readonly exact: boolean
  readonly above: number
}

/**
 * The search for the threshold that a contamination asks for: the smallest training score t for which the share of
 * scores > t is at most the contamination, that is count(> t) / n <= contamination in float64.
 */
export interface TopScores {
  /** Takes scores of training rows, in [0, 1]; NaN (an unscored row) is passed over. */
  offer(scores: Float64Array): void
  /** Comes when all scores were offered: the threshold, or null when they all have to be offered once more. */
  finish(): FoundThreshold | null
  /** Where that cannot be, after `finish` gave null: a threshold at most 1 / 16,384 too high, with never too many scores above it. */
  settle(): FoundThreshold
}

/** Scores that are kept: 2 MiB and a quarter of it as slack, enough for 26 million rows at a contamination of 0.01. */
const maxKept = 2 ** 18
const minSlack = 65_536
const bins = 2 ** 14

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
 * Starts a search among the scores of `n` rows, in bounded memory: where too many to be kept may lie above the threshold they are
 * counted by bins, and those of the one bin that holds it are looked at when they come again.
 *
 * @param n number of scores that will be offered, NaN not counted; >= 1
 * @param contamination in (0, 0.5)
 * @param kept how many scores may be kept
 */
export function createTopScores(n: number, contamination: number, kept: number = maxKept): TopScores {
  const above = allowedAbove(n, contamination)
  if (above + 1 > kept) return countFirst(above, kept)
  const { offer, threshold } = keepLargest(above + 1, Number.POSITIVE_INFINITY)
  return { offer, finish: threshold, settle: threshold }
}

type Largest = ReturnType<typeof keepLargest>

/** Keeps the `size` largest of the scores up to `high`; the threshold is the smallest of them. */
function keepLargest(size: number, high: number) {
  const buffer = new Float64Array(size + Math.max(minSlack, Math.floor(size / 4)))
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
    offer(scores: Float64Array): void {
      for (const score of scores) {
        // Also false for NaN. A score equal to the floor cannot change the smallest of the kept ones.
        if (!(score > floor && score <= high)) continue
        buffer[length++] = score
        if (length === buffer.length) compact()
      }
    },
    threshold(): FoundThreshold {
      compact()
      const kept = buffer.subarray(0, length)
      const lowest = kept.reduce((min, score) => Math.min(min, score), Number.POSITIVE_INFINITY)
      // Ties with the threshold are not above it, so this may be less than was allowed.
      const above = kept.filter((score) => score > lowest).length
      return { value: length === 0 ? 0 : lowest, exact: true, above }
    },
  }
}

/** Counts the scores of the range that holds the threshold by bins, again and again until those of one bin can be kept, or are all equal. */
function countFirst(allowed: number, kept: number): TopScores {
  let range = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY, above: 0 }
  let largest: Largest | null = null
  const counts = new Float64Array(bins)
  const lows = new Float64Array(bins)
  const highs = new Float64Array(bins)

  function count(scores: Float64Array): void {
    const { low, high } = range
    const [start, end] = [Math.max(0, low), Math.min(1, high)]
    for (const score of scores) {
      // Also false for NaN.
      if (!(score >= low && score <= high)) continue
      const bin = Math.min(bins - 1, Math.floor(((score - start) / (end - start)) * bins))
      lows[bin] = counts[bin] === 0 ? score : Math.min(lows[bin]!, score)
      highs[bin] = counts[bin] === 0 ? score : Math.max(highs[bin]!, score)
      counts[bin]!++
    }
  }

  /** Makes the bin that holds the threshold the range; gives the number of its scores. */
  function narrow(): number {
    let bin = bins - 1
    let { above } = range
    while (bin > 0 && above + counts[bin]! <= allowed) above += counts[bin--]!
    range = { low: lows[bin]!, high: highs[bin]!, above }
    const count = counts[bin]!
    counts.fill(0)
    return count
  }

  return {
    offer: (scores) => (largest === null ? count(scores) : largest.offer(scores)),
    finish() {
      if (largest !== null) {
        const { value, above } = largest.threshold()
        return { value, exact: true, above: range.above + above }
      }
      const found = narrow()
      if (range.low === range.high) return { value: range.low, exact: true, above: range.above }
      if (found <= kept) largest = keepLargest(allowed - range.above + 1, range.high)
      return null
    },
    settle: () => ({ value: range.high, exact: false, above: range.above }),
  }
}

import { type Block, oddsOf } from '../index.ts'

/**
 * What training saw of each column, to notice what it never saw. A forest gives a value 10 and 1,000 times beyond its
 * training range the same score, and does not see at all that a metric moved which was constant until now.
 */
export interface Guards {
  /** Min and max training value per column; -Infinity and Infinity for a column that is not guarded. */
  readonly min: Float64Array
  readonly max: Float64Array
  /** The score from which a row counts as anomalous: how far a value outside raises a row is measured by it. */
  readonly level: number
}

/** Levels outside this range would let nothing, or everything, be raised. */
const [minLevel, maxLevel] = [0.05, 0.999]
const maxExcess = 1e300

/**
 * How much a value outside the trained range counts: log2(1 + e), e being its distance from the range in widths of the
 * range, so 1 when it lies one width outside and about 10 at a thousand. In widths and not in deviations, because a
 * new maximum just above the old one is an everyday event for a metric with a long tail. A column that was constant
 * has no width: its first other value counts 1, and a tenth of log2(1 + distance / constant) more.
 */
export function strengthOutside(value: number, min: number, max: number): number {
  // Halves, as a difference of doubles can overflow.
  const distance = value < min ? min / 2 - value / 2 : value / 2 - max / 2
  if (min === max) return 1 + 0.1 * Math.log2(1 + Math.min(distance / (Math.abs(min) / 2 || 0.5), maxExcess))
  const width = Math.max(max / 2 - min / 2, Number.MIN_VALUE)
  return Math.log2(1 + Math.min(distance / width, maxExcess))
}

/**
 * Raises the scores of rows with a value that training did not see. The odds s / (1 - s) of the score grow by the
 * strengths of all such values times the odds of the level: a row is anomalous at the latest when they add up to 1,
 * ranks above one less far outside, and stays below 1. A row with every value inside keeps its score to the bit.
 *
 * @param block rows from..to-1 are looked at; what is not finite or not known (NaN) is passed over
 * @param scores one per row of the block; NaN stays
 */
export function raiseOutside(
  { min, max, level }: Guards,
  block: Block<ArrayBufferLike>,
  from: number,
  to: number,
  scores: Float64Array,
): void {
  const { values, stride } = block
  let strengths: Float64Array | null = null
  for (let f = 0; f < min.length; f++) {
    const low = min[f]!
    const high = max[f]!
    const end = f * stride + to
    for (let at = f * stride + from; at < end; at++) {
      const value = values[at]!
      if (value < low || value > high) {
        if (value - value !== 0) continue
        strengths ??= new Float64Array(to - from)
        const place = at - f * stride - from
        strengths[place]! += strengthOutside(value, low, high)
      }
    }
  }
  if (strengths === null) return
  const unit = oddsOf(Math.min(Math.max(level, minLevel), maxLevel))
  for (let i = 0; i < strengths.length; i++) {
    const strength = strengths[i]!
    if (strength === 0) continue
    const score = scores[from + i]!
    const odds = oddsOf(score) + strength * unit
    scores[from + i] = Math.max(score, odds / (1 + odds))
  }
}

/**
 * The values of a row that training did not see, the strongest first, at most `limit`. `isNovel`: the column was constant in training;
 * for `strength` see `strengthOutside`.
 */
export function outsideOf(
  { min, max }: Guards,
  { values, stride }: Block<ArrayBufferLike>,
  row: number,
  limit: number,
) {
  const found = []
  for (let f = 0; f < min.length; f++) {
    const value = values[f * stride + row]!
    const low = min[f]!
    const high = max[f]!
    if ((value < low || value > high) && value - value === 0)
      found.push({ column: f, isNovel: low === high, strength: strengthOutside(value, low, high) })
  }
  if (found.length < 2) return found
  return found.sort((a, b) => b.strength - a.strength || a.column - b.column).slice(0, limit)
}

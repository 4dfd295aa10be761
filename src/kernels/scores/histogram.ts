/** Bins of the score histogram kept in a model: equal widths over [0, 1], the last one closed. */
export const scoreBins = 200

/** A histogram of scores with fixed bins, so that two of them can be compared bin by bin. */
export function createScoreHistogram() {
  const counts = new Float64Array(scoreBins)
  let total = 0
  return {
    /** Scores per bin; bin i holds [i / 200, (i + 1) / 200). */
    counts,
    /** Scores in all. */
    get total(): number {
      return total
    },
    /** Adds scores in [0, 1]; NaN (an unscored row) is passed over. */
    add(scores: Float64Array): void {
      for (const score of scores) {
        if (Number.isNaN(score)) continue
        const bin = Math.min(scoreBins - 1, Math.max(0, Math.floor(score * scoreBins)))
        counts[bin]!++
        total++
      }
    },
  }
}

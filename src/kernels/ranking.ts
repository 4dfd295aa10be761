/**
 * How well scores rank known anomalies. The figures are those of scikit-learn's `roc_auc_score` and
 * `average_precision_score`; rows with equal scores are never told apart.
 */

/** Scores of the rows that are anomalies and of those that are not. Sorted in place, ascending. */
export interface Labelled {
  readonly positive: Float64Array
  readonly negative: Float64Array
}

export interface Ranking {
  /** Probability that an anomaly scores above a normal row, ties counting half (Mann and Whitney 1947). */
  readonly rocAuc: number
  /** Sum over thresholds of precision times the recall gained: step-wise, without interpolation. */
  readonly averagePrecision: number
  /** The largest F1 over all thresholds, and a threshold that gives it: flagged is what scores above it. */
  readonly best: { readonly f1: number; readonly threshold: number }
}

/** F1 from counts; 0 when nothing was flagged rightly. */
export function f1Of(truePositives: number, falsePositives: number, falseNegatives: number): number {
  return truePositives === 0 ? 0 : (2 * truePositives) / (2 * truePositives + falsePositives + falseNegatives)
}

/**
 * Ranks scores in [0, 1] against labels. Both arrays hold at least one score and are sorted in place.
 * One walk from the highest score down, a step per distinct score.
 */
export function rank({ positive, negative }: Labelled): Ranking {
  positive.sort()
  negative.sort()
  let p = positive.length
  let n = negative.length
  let wins = 0
  let averagePrecision = 0
  let best = { f1: 0, threshold: 1 }
  while (p > 0 || n > 0) {
    const score = Math.max(p > 0 ? (positive[p - 1] as number) : -1, n > 0 ? (negative[n - 1] as number) : -1)
    const before = p
    const normalBefore = n
    while (p > 0 && positive[p - 1] === score) p--
    while (n > 0 && negative[n - 1] === score) n--
    const found = positive.length - p
    const alarms = negative.length - n
    const gained = before - p
    // Each anomaly of this step beats every normal row below it, and half of those beside it.
    wins += gained * (n + (normalBefore - n) / 2)
    averagePrecision += (gained / positive.length) * (found / (found + alarms))
    const f1 = f1Of(found, alarms, p)
    // Flagged is what scores above the threshold, so it is the next score down that flags this step.
    if (f1 > best.f1)
      best = {
        f1,
        threshold: Math.max(p > 0 ? (positive[p - 1] as number) : 0, n > 0 ? (negative[n - 1] as number) : 0),
      }
  }
  return { rocAuc: wins / positive.length / negative.length, averagePrecision, best }
}

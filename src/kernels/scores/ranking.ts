/**
 * How well scores rank known anomalies. The figures are those of scikit-learn's `roc_auc_score` and
 * `average_precision_score`; rows with equal scores are never told apart.
 */

/** Scores of the rows that are anomalies and of those that are not. Those of the anomalies are sorted in place, ascending. */
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
 * Ranks scores in [0, 1] against labels. Both arrays hold at least one score; only the anomalies, which are few, are sorted, and
 * each normal row finds its place among them. One walk from the highest anomaly down, a step per distinct score: where
 * no anomaly is, no figure changes for the better.
 */
export function rank({ positive, negative }: Labelled): Ranking {
  const { scores, anomalies } = stepsOf(positive.sort())
  const { beside, below, highestBelow } = placeNormals(scores, negative)
  let p = positive.length
  let alarms = below[scores.length]!
  let wins = 0
  let averagePrecision = 0
  let best = { f1: 0, threshold: 1 }
  for (let step = scores.length - 1; step >= 0; step--) {
    const gained = anomalies[step]!
    p -= gained
    alarms += beside[step]!
    const found = positive.length - p
    // Each anomaly of this step beats every normal row below it, and half of those beside it.
    wins += gained * (negative.length - alarms + beside[step]! / 2)
    averagePrecision += (gained / positive.length) * (found / (found + alarms))
    const f1 = f1Of(found, alarms, p)
    // Flagged is what scores above the threshold, so it is the next score down that flags this step.
    if (f1 > best.f1)
      best = { f1, threshold: Math.max(step > 0 ? scores[step - 1]! : 0, below[step]! > 0 ? highestBelow[step]! : 0) }
    alarms += below[step]!
  }
  return { rocAuc: wins / positive.length / negative.length, averagePrecision, best }
}

/** The distinct scores of anomalies, ascending, with the number of anomalies at each of them. */
function stepsOf(sorted: Float64Array) {
  const scores = new Float64Array(sorted.length)
  const anomalies = new Float64Array(sorted.length)
  let count = 0
  for (let i = 0; i < sorted.length; i++) {
    if (i === 0 || sorted[i] !== sorted[i - 1]) scores[count++] = sorted[i]!
    anomalies[count - 1]!++
  }
  return { scores: scores.subarray(0, count), anomalies }
}

/** Equal parts of [0, 1] by which a place is found at once; within one it is searched for. */
const parts = 65_536
const partOf = (score: number) => Math.min(Math.floor(score * parts), parts - 1)

/**
 * Counts the normal rows beside each of the `scores`, and those between it and the score before, with the highest of these. `below` has
 * one more entry, for normal rows above all.
 */
function placeNormals(scores: Float64Array, negative: Float64Array) {
  const beside = new Float64Array(scores.length)
  const below = new Float64Array(scores.length + 1)
  const highestBelow = new Float64Array(scores.length + 1)
  const starts = startsOf(scores)
  for (let i = 0; i < negative.length; i++) {
    const score = negative[i]!
    const part = partOf(score)
    let low = starts[part]!
    let high = starts[part + 1]!
    while (low < high) {
      const middle = (low + high) >>> 1
      if (scores[middle]! < score) low = middle + 1
      else high = middle
    }
    if (low < scores.length && scores[low] === score) beside[low]!++
    else {
      below[low]!++
      if (score > highestBelow[low]!) highestBelow[low] = score
    }
  }
  return { beside, below, highestBelow }
}

/** Where the scores of each part begin. */
function startsOf(scores: Float64Array): Uint32Array {
  const starts = new Uint32Array(parts + 1)
  for (const score of scores) starts[partOf(score) + 1]!++
  for (let part = 0; part < parts; part++) starts[part + 1]! += starts[part]!
  return starts
}

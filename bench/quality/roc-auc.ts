/**
 * Area under the ROC curve: the chance that a labelled row scores above another, ties counting half
 * (Hanley and McNeil 1982).
 *
 * @param pieces the scores of all rows, in order
 */
export function rocAuc(labels: readonly boolean[], pieces: readonly Float64Array[]): number {
  const scores = pieces.flatMap((piece) => [...piece])
  const order = scores.map((_, i) => i).sort((a, b) => scores[a]! - scores[b]!)
  let rankSum = 0
  let positives = 0
  for (let from = 0; from < order.length; ) {
    let to = from
    while (to < order.length && scores[order[to]!] === scores[order[from]!]) to++
    // Tied rows share the middle of their ranks, which count from 1.
    for (let i = from; i < to; i++) {
      if (!labels[order[i]!]) continue
      rankSum += (from + 1 + to) / 2
      positives++
    }
    from = to
  }
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * (order.length - positives))
}

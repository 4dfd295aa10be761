import { anomalyScore } from '../index.ts'
import { rowMarks } from '../models/index.ts'

/**
 * Turns the sums of path lengths of rows from..to-1 into their scores, in place; a row that cannot be scored gets NaN.
 *
 * @param flags `rowMarks`, one per row
 * @param factor from `scoreFactor`
 */
export function scoresFromSums(
  scores: Float64Array,
  flags: Uint8Array,
  from: number,
  to: number,
  factor: number,
): void {
  for (let i = from; i < to; i++) {
    const isScored = flags[i]! <= rowMarks.filled
    scores[i] = isScored ? anomalyScore(scores[i]!, factor) : Number.NaN
  }
}

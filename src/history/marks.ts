/** Rows that have no score because of what came before them, or because of when they came. */
import { rowHistory } from '../kernels/history/index.ts'
import type { BlockScores } from '../pool/index.ts'
import type { FeatureBlock } from '../reader/index.ts'

/** Marks of rows beside those of `rowMarks`. */
export const historyMarks = { insufficient: 4, late: 5 } as const

/** Takes the score from rows whose derived features are not all known. @param column index of the history column */
export function markHistory({ block }: Pick<FeatureBlock, 'block'>, column: number, { scores, flags }: BlockScores) {
  for (let row = 0; row < block.rows; row++) {
    const state = block.values[column * block.stride + row]
    if (state === rowHistory.complete) continue
    scores[row] = Number.NaN
    flags[row] = state === rowHistory.late ? historyMarks.late : historyMarks.insufficient
  }
}

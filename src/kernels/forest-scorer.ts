import type { Forest } from './forest.ts'
import { createRankedScorer } from './ranked-scorer.ts'
import type { RowScoreInput } from './row-scorer.ts'
import { createTraverseScorer } from './traverse-scorer.ts'

/**
 * Rows of a call from which on the ranked walk is faster: it looks at every node for many rows at once, where the other
 * looks at one path for each row.
 */
const leastRankedRows = 96

/**
 * Scores rows with isolation forests in one thread. Two kernels give the same bits; which one works is a matter of the
 * rows of the call and of the forest.
 *
 * @param read turns a payload into a checked forest, or throws
 */
export function createForestScorer(read: (payload: Uint8Array) => Forest): { score(input: RowScoreInput): void } {
  const ranked = createRankedScorer(read)
  const walked = createTraverseScorer(read)
  return {
    score(input) {
      const isRanked = input.to - input.from >= leastRankedRows && ranked.score(input)
      if (!isRanked) walked.score(input)
    },
  }
}

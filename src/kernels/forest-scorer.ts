import type { Forest } from './forest.ts'
import { keepPrepared } from './prepared.ts'
import { createRankedScorer } from './ranked-scorer.ts'
import type { RowScoreInput } from './row-scorer.ts'
import { createTraverseScorer } from './traverse-scorer.ts'

/**
 * Rows of a call from which on the ranked walk is faster: it looks at every node for many rows at once, where the other
 * looks at one path for each row.
 */
const leastRankedRows = 96

/**
 * Rows a forest has scored when the ranked walk begins to work for it. To prepare a forest for it takes as long as it saves
 * in some 100,000 rows on a thread that has just started, which a model of a few requests never sees.
 */
const leastSeenRows = 65_536

/** Forests whose rows are counted: those used longest ago begin anew. */
const mostCounted = 1000

/**
 * Scores rows with isolation forests in one thread. Two kernels give the same bits; which one works is a matter of the
 * rows of the call, of those before it, and of the forest.
 *
 * @param read turns a payload into a checked forest, or throws
 */
export function createForestScorer(read: (payload: Uint8Array) => Forest): { score(input: RowScoreInput): void } {
  const ranked = createRankedScorer(read)
  const walked = createTraverseScorer(read)
  const seen = keepPrepared<{ rows: number }>(mostCounted, () => 1)
  return {
    score(input) {
      const rows = input.to - input.from
      const count = seen.get(input.key, () => ({ rows: 0 }))
      count.rows += rows
      const isRanked = rows >= leastRankedRows && count.rows >= leastSeenRows && ranked.score(input)
      if (!isRanked) walked.score(input)
    },
  }
}

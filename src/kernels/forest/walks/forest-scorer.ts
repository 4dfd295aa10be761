import type { RowScoreInput } from '../../scores/index.ts'
import { createTraverseScorer } from './padded/index.ts'
import { createPlainScorer, type ForestReader } from './plain-scorer.ts'
import { createRankedScorer } from './ranked/index.ts'

/**
 * Rows of a call from which on the ranked walk is faster: it looks at every node for many rows at once, where the other
 * looks at one path for each row.
 */
const leastRankedRows = 96

/**
 * Scores rows with isolation forests in one thread. Three kernels give the same bits; which one works is a matter of the rows
 * of the call, of the forest, and of how many rows came for it: what is prepared has to pay.
 */
export function createForestScorer(reader: ForestReader): { score(input: RowScoreInput): void } {
  const ranked = createRankedScorer(reader.read)
  const walked = createTraverseScorer(reader.read)
  const plain = createPlainScorer(reader)
  return {
    score(input) {
      const isMany = input.to - input.from >= leastRankedRows
      if (!(isMany && ranked.score(input)) && !walked.score(input)) plain.score(input)
    },
  }
}

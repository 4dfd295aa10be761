import type { RowScoreInput } from '../../scores/index.ts'
import { createLinkedScorer } from './linked.ts'
import { createPlainScorer, type ForestReader } from './plain.ts'
import { createRankedScorer } from './ranked/index.ts'

/** Rows of a call from which on the ranked walk is faster. */
const minRankedRows = 96

/**
 * Scores rows with isolation forests in one thread. Three walks give the same bits.
 *
 * - Plain: the definition. Needs no preparation, which is quickest for a forest that few rows come for.
 * - Linked: five times as fast as plain. Serves small calls, and forests that the ranked walk does not suit: with thousands of rows
 *   a tree has too many nodes to look at all of them.
 * - Ranked: three times as fast again, for calls of many rows: it looks at every node for many rows at once.
 */
export function createForestScorer(reader: ForestReader): { score(input: RowScoreInput): void } {
  const ranked = createRankedScorer(reader.read)
  const linked = createLinkedScorer(reader.read)
  const plain = createPlainScorer(reader)
  return {
    score(input) {
      const isMany = input.to - input.from >= minRankedRows
      if (!(isMany && ranked.score(input)) && !linked.score(input)) plain.score(input)
    },
  }
}

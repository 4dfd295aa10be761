import type { Block } from './block.ts'
import type { Forest } from './forest.ts'
import { averagePathLengths } from './path-length.ts'
import { rowMarks } from './profile.ts'
import { loadTile } from './tile.ts'
import { addPathLengths } from './traverse.ts'

/** Rows that go through all trees together, so that tile and tree stay in the first-level cache. */
const tileRows = 256

export interface ForestScoreInput {
  readonly key: string
  readonly payload: Uint8Array
  readonly block: Block
  readonly from: number
  readonly to: number
  readonly fill: Float64Array | null
  readonly scores: Float64Array
  readonly flags: Uint8Array
}

/** Scores rows with forests; for one thread. `read` turns a payload into a checked forest. */
export function createForestScorer(read: (payload: Uint8Array) => Forest): { score(input: ForestScoreInput): void } {
  return {
    score({ payload, block, from, to, fill, scores, flags }) {
      const forest = read(payload)
      const lengths = averagePathLengths(forest.psi)
      const divisor = forest.trees * (lengths[forest.psi] as number)
      const values = new Float64Array(tileRows * forest.features)
      for (let start = from; start < to; start += tileRows) {
        const rows = Math.min(tileRows, to - start)
        loadTile(block, start, rows, forest.features, fill, values, tileRows, flags, start)
        const sums = scores.subarray(start, start + rows).fill(0)
        addPathLengths(forest, lengths, { values, stride: tileRows, rows }, sums)
        for (let i = 0; i < rows; i++) {
          const mark = flags[start + i] as number
          sums[i] = mark > rowMarks.filled ? Number.NaN : 2 ** (-(sums[i] as number) / divisor)
        }
      }
    },
  }
}

import { copierInto } from '../../../index.ts'
import { cleanTile, scoresFromSums } from '../../../scores/index.ts'
import type { WalkedRows } from '../linked/index.ts'
import type { RankedForest } from './layout.ts'
import type { RankedKernel } from './wasm.ts'

/** A forest that is scored by the ranked walk: plain data. */
export interface Ranked {
  readonly laid: RankedForest
  /** See `scoreFactor`. */
  readonly factor: number
}

/** Scores rows by the ranked walk; see `RowScoreInput`. The block may lie in any memory. */
export function scoreRanked(
  kernel: RankedKernel,
  { laid, factor }: Ranked,
  { block, from, to, fill, scores, flags }: WalkedRows,
): void {
  kernel.load(laid)
  const values = kernel.values()
  const copy = copierInto(values)
  const { tileRows } = laid.size
  for (let start = from; start < to; start += tileRows) {
    const rows = Math.min(tileRows, to - start)
    for (let f = 0; f < laid.grids.length; f++) {
      const lane = f * block.stride + start
      copy(block.values, lane, rows)
      if (kernel.rank(f, rows) || kernel.isFinite(rows)) continue
      cleanTile(values, tileRows, 1, rows, fill === null ? null : fill.subarray(f, f + 1), flags, start)
      kernel.rank(f, rows)
    }
    kernel.sumPathLengths(scores.subarray(start, start + rows))
  }
  scoresFromSums(scores, flags, from, to, factor)
}

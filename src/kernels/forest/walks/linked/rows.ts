import type { Block } from '../../../index.ts'
import { cleanTile, copySmallBatch, copyTile, type RowScoreInput, scoresFromSums } from '../../../scores/index.ts'
import type { LinkedKernel } from './kernel.ts'
import type { LinkedShape } from './shape.ts'

/** Rows that are copied value by value. */
const maxCopiedRows = 32

/** Rows from..to-1 of a block in any memory, and where what is found out about them goes; see `RowScoreInput`. */
export type WalkedRows = Omit<RowScoreInput, 'key' | 'payload' | 'block'> & { readonly block: Block<ArrayBufferLike> }

/** Scores rows with the forest that lies in the kernel's memory. */
export function scoreLinked(
  kernel: LinkedKernel,
  { features, tileRows, factor }: LinkedShape,
  { block, from, to, fill, scores, flags }: WalkedRows,
): void {
  const tile = kernel.tile()
  /** Whether all that was copied is finite. */
  const copyRows = (rows: number, start: number) => {
    if (rows <= maxCopiedRows) return copySmallBatch(block, start, rows, features, tile, tileRows)
    copyTile(block, start, rows, features, tile, tileRows)
    return kernel.isFinite()
  }
  scores.fill(0, from, to)
  for (let start = from; start < to; start += tileRows) {
    const rows = Math.min(tileRows, to - start)
    if (!copyRows(rows, start)) cleanTile(tile, tileRows, features, rows, fill, flags, start)
    kernel.addPathLengths(scores, start, rows)
  }
  scoresFromSums(scores, flags, from, to, factor)
}

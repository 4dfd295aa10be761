import { anomalyScore, type Block } from '../index.ts'
import { rowMarks } from '../models/index.ts'

/** Rows that are copied to be scored, and what becomes of values that are not finite. */
export interface CopiedRows {
  readonly block: Block<ArrayBufferLike>
  /** Such a value becomes `fill[column]` and its row is marked `filled`. null = it becomes 0 and the row is marked `missing` (some NaN) or
   * `nonFinite` (Infinity and no NaN), so that its score can be dropped. */
  readonly fill: Float64Array | null
  /** `rowMarks`, one per row of the block; 0 before. */
  readonly flags: Uint8Array
}

/**
 * Copies rows from..from+count-1 of one column into a tile, every value finite: row i goes to `at` + i * `step`.
 * @returns whether every value was finite before
 */
export function copyColumn(
  { block, fill, flags }: CopiedRows,
  column: number,
  from: number,
  count: number,
  tile: Float64Array,
  at: number,
  step: number,
): boolean {
  const { values, stride } = block
  const source = column * stride + from
  let isWhole = true
  for (let i = 0; i < count; i++) {
    let value = values[source + i]!
    if (value - value !== 0) {
      isWhole = false
      const row = from + i
      if (fill !== null) flags[row] = rowMarks.filled
      else if (Number.isNaN(value)) flags[row] = rowMarks.missing
      else if (flags[row] !== rowMarks.missing) flags[row] = rowMarks.nonFinite
      value = fill === null ? 0 : fill[column]!
    }
    tile[at + i * step] = value
  }
  return isWhole
}

/** Copies rows of the first columns of a block into a tile, column after column: feature f of row i at f * `tileStride` + i. */
export function copyTile(
  rows: CopiedRows,
  from: number,
  count: number,
  columns: number,
  tile: Float64Array,
  tileStride: number,
): void {
  for (let f = 0; f < columns; f++) copyColumn(rows, f, from, count, tile, f * tileStride, 1)
}

/**
 * Turns the sums of path lengths of rows from..to-1 into their scores, in place; a row that cannot be scored gets NaN.
 *
 * @param flags `rowMarks`, one per row
 * @param factor from `scoreFactor`
 */
export function scoresFromSums(scores: Float64Array, flags: Uint8Array, from: number, to: number, factor: number) {
  for (let i = from; i < to; i++)
    scores[i] = flags[i]! <= rowMarks.filled ? anomalyScore(scores[i]!, factor) : Number.NaN
}

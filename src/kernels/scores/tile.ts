import type { Block } from '../index.ts'
import { rowMarks } from '../models/index.ts'

/**
 * Copies `count` rows of the first `columns` columns of a block into a tile: feature f of row i at
 * f * tileStride + i.
 */
export function copyTile(
  block: Block<ArrayBufferLike>,
  from: number,
  count: number,
  columns: number,
  tile: Float64Array,
  tileStride: number,
): void {
  for (let f = 0; f < columns; f++) {
    const source = f * block.stride + from
    tile.set(block.values.subarray(source, source + count), f * tileStride)
  }
}

/**
 * Copies as `copyTile` does, value by value, which is sooner done for a few rows than views of columns are made.
 *
 * @param tile column after column, `tileStride` values each; those behind `count` are left as they are
 * @returns whether all of them are finite
 */
export function copySmallBatch(
  { values, stride }: Block<ArrayBufferLike>,
  from: number,
  count: number,
  columns: number,
  tile: Float64Array,
  tileStride: number,
): boolean {
  let sum = 0
  for (let f = 0; f < columns; f++) {
    const [source, target] = [f * stride + from, f * tileStride]
    for (let i = 0; i < count; i++) {
      const value = values[source + i]!
      tile[target + i] = value
      // 0 times what is not finite is NaN.
      sum += 0 * value
    }
  }
  return sum === 0
}

/**
 * Replaces the values of a tile that are not finite and marks their rows (`rowMarks`).
 *
 * With `fill` such a value becomes `fill[column]` and the row is marked `filled`; without, it becomes 0
 * and the row is marked `missing` (some NaN) or `nonFinite` (Infinity and no NaN), so that its score
 * can be dropped. The tile is finite afterwards.
 *
 * @param marks one per row of the tile, starting at `marksFrom`; must be 0 before
 */
export function cleanTile(
  tile: Float64Array,
  tileStride: number,
  columns: number,
  count: number,
  fill: Float64Array | null,
  marks: Uint8Array,
  marksFrom: number,
): void {
  for (let f = 0; f < columns; f++) {
    const start = f * tileStride
    for (let i = 0; i < count; i++) {
      const value = tile[start + i]!
      if (value - value === 0) continue
      const at = marksFrom + i
      tile[start + i] = fill === null ? 0 : fill[f]!
      if (fill !== null) marks[at] = rowMarks.filled
      else if (Number.isNaN(value)) marks[at] = rowMarks.missing
      else if (marks[at] !== rowMarks.missing) marks[at] = rowMarks.nonFinite
    }
  }
}

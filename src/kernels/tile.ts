import type { Block } from './block.ts'
import { rowMarks } from './profile.ts'

/**
 * Copies `count` rows of the first `lanes` lanes of a block into a tile (feature f of row i at
 * f * tileStride + i) and marks rows with values that are not finite (`rowMarks`).
 *
 * With `fill` such a value becomes `fill[lane]` and the row is marked `filled`; without, it becomes 0
 * and the row is marked `missing` (some NaN) or `nonFinite` (Infinity and no NaN), so that its score
 * can be dropped. The tile is finite afterwards.
 *
 * @param marks one per copied row, starting at `marksFrom`; must be 0 before
 */
export function loadTile(
  block: Block,
  from: number,
  count: number,
  lanes: number,
  fill: Float64Array | null,
  tile: Float64Array,
  tileStride: number,
  marks: Uint8Array,
  marksFrom: number,
): void {
  const { values, stride } = block
  for (let f = 0; f < lanes; f++) {
    const source = f * stride + from
    const target = f * tileStride
    // 0 times a finite value is 0, times any other NaN: one test per lane instead of one per value.
    let zeros = 0
    for (let i = 0; i < count; i++) {
      const value = values[source + i] as number
      tile[target + i] = value
      zeros += value * 0
    }
    if (zeros !== 0) cleanLane(tile, target, count, fill === null ? null : (fill[f] as number), marks, marksFrom)
  }
}

function cleanLane(
  tile: Float64Array,
  target: number,
  count: number,
  fill: number | null,
  marks: Uint8Array,
  marksFrom: number,
): void {
  for (let i = 0; i < count; i++) {
    const value = tile[target + i] as number
    if (value - value === 0) continue
    tile[target + i] = fill ?? 0
    if (fill !== null) marks[marksFrom + i] = rowMarks.filled
    else if (Number.isNaN(value)) marks[marksFrom + i] = rowMarks.missing
    else if (marks[marksFrom + i] !== rowMarks.missing) marks[marksFrom + i] = rowMarks.nonFinite
  }
}

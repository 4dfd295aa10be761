import type { ObliqueForest } from '../../index.ts'

/**
 * Adds, for each row, its path length in every tree to `sums`: nodes passed plus c(rows in the leaf). A row goes right
 * when its sum along the cut lies above the threshold.
 *
 * With the range penalty a node counts only when the row lies within its acceptable range, threshold +- width of
 * the node's training rows: beyond it a row would pass as one of those at the edge. From Liu, Ting and Zhou (2010),
 * "On Detecting Clustered Anomalies Using SCiForest", ECML PKDD, section 3. The first node always counts, so that no
 * score reaches 1 and guards can still tell rows apart. A sum that overflowed to NaN goes left and does not count. The
 * definition of what the WebAssembly walk (`oblique-code`) must give, to the bit.
 *
 * @param lengths c(0) to c(psi)
 * @param tile feature f of row r at r * features + f, every value finite
 * @param sums one entry per row, added to
 */
export function walkOblique(
  forest: ObliqueForest,
  lengths: Float64Array,
  tile: Float64Array,
  rows: number,
  sums: Float64Array,
): void {
  const { features, columns, rangePenalty, offsets, thresholds, links, cutFeatures, weights, widths } = forest
  for (let t = 0; t < forest.trees; t++) {
    const root = offsets[t] as number
    for (let r = 0; r < rows; r++) {
      const row = r * features
      let node = root
      let depth = 0
      for (let at = node * columns; (cutFeatures[at] as number) >= 0; at = node * columns) {
        let sum = 0
        for (let c = at; c < at + columns; c++)
          sum += (weights[c] as number) * (tile[row + (cutFeatures[c] as number)] as number)
        const beyond = sum - (thresholds[node] as number)
        const range = rangePenalty && node > root ? (widths[node] as number) : Number.POSITIVE_INFINITY
        if (Math.abs(beyond) <= range) depth++
        node = beyond > 0 ? root + (links[node] as number) : node + 1
      }
      sums[r] = (sums[r] as number) + depth + (lengths[links[node] as number] as number)
    }
  }
}

import type { ObliqueForest } from '../../../src/kernels/forest/oblique-forest.ts'

/**
 * The definition of what the compiled walk of `createObliqueScorer` must give, to the bit: adds, for each row, its path length in every
 * tree to `sums`.
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
  for (let t = 0; t < forest.trees; t++) {
    for (let r = 0; r < rows; r++) {
      const row = tile.subarray(r * forest.features, (r + 1) * forest.features)
      sums[r] = addPathLength(forest, forest.offsets[t]!, lengths, row, sums[r]!)
    }
  }
}

/** `sum`, the passed nodes and c(rows in the leaf), added in this order, of one row in the tree that begins at `root`. */
function addPathLength(
  forest: ObliqueForest,
  root: number,
  lengths: Float64Array,
  row: Float64Array,
  sum: number,
): number {
  const { columns, rangePenalty, thresholds, links, cutFeatures, weights, widths } = forest
  let node = root
  let depth = 0
  for (let at = node * columns; cutFeatures[at]! >= 0; at = node * columns) {
    let along = 0
    for (let c = at; c < at + columns; c++) along += weights[c]! * row[cutFeatures[c]!]!
    const beyond = along - thresholds[node]!
    const range = rangePenalty && node > root ? widths[node]! : Number.POSITIVE_INFINITY
    if (Math.abs(beyond) <= range) depth++
    node = beyond > 0 ? root + links[node]! : node + 1
  }
  return sum + depth + lengths[links[node]!]!
}

import { type Forest, type Tree, treeOf } from '../index.ts'

/** Column-major rows to walk: feature f of row r is `values[f * stride + r]`. */
export interface Tile {
  readonly values: Float64Array
  readonly stride: number
  readonly rows: number
}

/**
 * Adds, for each row, its path length in every tree to `sums`: the depth of the leaf it reaches plus
 * c(rows in that leaf), algorithm 3 of Liu, Ting and Zhou (2008), added in tree order. The definition of what the
 * compiled walks must give, to the bit. NaN goes left.
 *
 * @param lengths c(0) to c(psi), from `averagePathLengths`
 * @param sums one entry per row of the tile, added to
 */
export function addPathLengths(forest: Forest, lengths: Float64Array, tile: Tile, sums: Float64Array): void {
  for (let t = 0; t < forest.trees; t++) {
    const tree = treeOf(forest, t)
    for (let r = 0; r < tile.rows; r++) sums[r] = sums[r]! + pathLength(tree, lengths, tile, r)
  }
}

function pathLength(tree: Tree, lengths: Float64Array, tile: Tile, row: number): number {
  const { features, thresholds, links } = tree
  let node = 0
  let depth = 0
  for (let feature = features[0]!; feature >= 0; feature = features[node]!) {
    const value = tile.values[feature * tile.stride + row]!
    node = value > thresholds[node]! ? links[node]! : node + 1
    depth++
  }
  return depth + lengths[links[node]!]!
}

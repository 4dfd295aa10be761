import { averagePathLengths, type Block, keepPrepared, scoreFactor } from '../../index.ts'
import type { RowScoreInput } from '../../scores/index.ts'
import { type Forest, type Tree, treeOf } from '../index.ts'
import { scoreTiles } from './tree-kernel.ts'

/** Rows to walk, see `Block`. */
type Tile = Omit<Block<ArrayBufferLike>, 'columns'>

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

/** How a scorer gets at a forest. */
export interface ForestReader {
  /** A checked forest. Throws what a damaged payload is to its reader. */
  read(payload: Uint8Array): Forest
  /** The forest of a payload that was checked before. */
  view(payload: Uint8Array): Forest
}

/** Payloads of which a scorer remembers that it checked them. */
const maxChecked = 65_536
/** Path lengths of leaves kept by one scorer, in bytes. */
const maxLengthBytes = 32 * 1024 * 1024
const tileRows = 256

/**
 * Scores rows by going down the trees as they are: nothing is prepared and nothing kept, which is the quickest for a few rows
 * of a forest that few rows come for.
 */
export function createPlainScorer({ read, view }: ForestReader): { score(input: RowScoreInput): void } {
  const checked = new Set<string>()
  const lengthsOf = keepPrepared<Float64Array>(maxLengthBytes, ({ byteLength }) => byteLength)
  let tile = new Float64Array(0)

  function forestOf(key: string, payload: Uint8Array): Forest {
    if (checked.has(key)) return view(payload)
    const forest = read(payload)
    if (checked.size >= maxChecked) checked.clear()
    checked.add(key)
    return forest
  }

  return {
    score({ key, payload, ...rows }) {
      const forest = forestOf(key, payload)
      const { features, trees, psi } = forest
      if (tile.length < features * tileRows) tile = new Float64Array(features * tileRows)
      const lengths = lengthsOf.get(String(psi), () => averagePathLengths(psi))
      const shape = { features, tileRows, factor: scoreFactor(trees, psi) }
      scoreTiles(rows, shape, tile, (sums, from, count) => {
        const walked = { values: tile, stride: tileRows, rows: count }
        addPathLengths(forest, lengths, walked, sums.subarray(from, from + count))
      })
    },
  }
}

import { type Forest, forestDepth, treeOf } from '../../index.ts'
import { maxLeaves, maxPieces, pieceLeaves } from './geometry.ts'
import { countLeaves, countPieces } from './operations.ts'
import { maxByteThresholds, maxThresholds } from './thresholds.ts'

/** With fewer, ranking the values of a row costs what the walk then saves on the trees, whatever the number of features. */
const minTrees = 3
/** To look at so many nodes costs what it costs to go down one level. */
const nodesPerLevel = 40

/** Whether the ranked walk of many rows is faster than going down the trees. */
export function paysToRank(forest: Forest): boolean {
  const { trees, splits } = forest
  const innerNodes = (splits.length - trees) / 2
  return trees >= minTrees && innerNodes <= nodesPerLevel * trees * Math.max(1, forestDepth(forest))
}

/** Whether the ranked walk has numbers for everything in a forest. */
export function canRank(forest: Forest): boolean {
  const { trees, features, splits } = forest
  if (countPerFeature(splits, features).some((count) => count > maxThresholds)) return false
  for (let t = 0; t < trees; t++) {
    const tree = treeOf(forest, t)
    const leaves = countLeaves(tree)
    if (leaves[0]! <= pieceLeaves) continue
    if (leaves[0]! > maxLeaves || countPieces(leaves) > maxPieces) return false
    if (countPerFeature(tree.features, features).some((count) => count > maxByteThresholds)) return false
  }
  return true
}

/** Whether some tree has more leaves than a byte can number, and is cut into pieces. */
export function hasPieces(forest: Forest): boolean {
  for (let t = 0; t < forest.trees; t++) {
    // Each inner node has two children.
    const nodes = forest.offsets[t + 1]! - forest.offsets[t]!
    if ((nodes + 1) / 2 > pieceLeaves) return true
  }
  return false
}

function countPerFeature(splits: Int32Array, features: number): Uint32Array {
  const counts = new Uint32Array(features)
  for (const feature of splits) if (feature >= 0) counts[feature] = counts[feature]! + 1
  return counts
}

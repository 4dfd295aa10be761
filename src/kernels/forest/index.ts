export {
  decodeForest,
  encodeForest,
  type Forest,
  forestBounds,
  forestBytes,
  forestDepth,
  forestOf,
  joinTrees,
  treeOf,
  viewForest,
} from './forest.ts'
export { levelOrder } from './level-order.ts'
export {
  cutBytes,
  decodeObliqueForest,
  encodeObliqueForest,
  joinObliqueTrees,
  maxColumns,
  type ObliqueForest,
  obliqueTreeOf,
} from './oblique-forest.ts'
export { buildObliqueTree } from './oblique-tree.ts'
export { maxNodes, nodeDepths, nodeSizes, type Tree } from './tree.ts'
export { growTree } from './tree-growth.ts'

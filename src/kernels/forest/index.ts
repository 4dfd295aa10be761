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
export { levelOrder, maxNodes, nodeDepths, nodeSizes, type Tree } from './tree.ts'
export { growTree } from './tree-growth.ts'

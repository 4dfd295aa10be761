import type { Tree } from './tree.ts'

/**
 * The nodes of a tree level by level, siblings side by side, so that the top of the tree shares cache lines. By place: the node, its
 * level, and the place of its left child, which is its own for a leaf.
 */
export function levelOrder({ features, links }: Tree) {
  const nodes = new Uint32Array(features.length)
  const levels = new Uint8Array(features.length)
  const children = new Uint32Array(features.length)
  let laid = 1
  for (let i = 0; i < nodes.length; i++) {
    const node = nodes[i]!
    const isLeaf = features[node]! < 0
    children[i] = isLeaf ? i : laid
    if (isLeaf) continue
    levels[laid] = levels[laid + 1] = levels[i]! + 1
    nodes[laid++] = node + 1
    nodes[laid++] = links[node]!
  }
  return { nodes, levels, children, depth: levels.at(-1)! }
}

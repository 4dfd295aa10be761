import { averagePathLengths, scoreFactor } from '../../../index.ts'
import { type Forest, levelOrder, type Tree, treeOf } from '../../index.ts'
import { headerBytes, leafBytes, levelsAtOnce, nodeBytes } from './code.ts'

/** A larger tile is slower, and a much smaller one too. */
const maxTileBytes = 128 * 1024

/** How the kernel walks a forest: plain data. */
export interface LinkedShape {
  readonly features: number
  /** Rows that go through all trees together: as many as keep the tile in the cache beside a tree, a multiple of 8. */
  readonly tileRows: number
  /** See `scoreFactor`. */
  readonly factor: number
}

/** Chooses how a forest is walked. */
export function shapeOf({ features, trees, psi }: Forest): LinkedShape {
  const fitting = 2 ** Math.floor(Math.log2(maxTileBytes / (8 * features)))
  return { features, tileRows: Math.max(32, Math.min(256, fitting)), factor: scoreFactor(trees, psi) }
}

const treeBytes = (nodes: number) => headerBytes + (nodeBytes + leafBytes) * nodes

/** Bytes of a forest as `layLinked` lays it out. */
export function linkedBytes({ trees, splits }: Forest): number {
  return trees * headerBytes + (nodeBytes + leafBytes) * splits.length
}

/**
 * Lays out a forest.
 * @param into `linkedBytes` bytes, all 0
 * @param columnBytes bytes between two columns of the tile
 */
export function layLinked(forest: Forest, into: Uint8Array, columnBytes: number): void {
  const lengths = averagePathLengths(forest.psi)
  let start = 0
  for (let t = 0; t < forest.trees; t++) start += layTree(into, start, treeOf(forest, t), lengths, columnBytes)
}

/** Returns the bytes of the tree. */
function layTree(into: Uint8Array, start: number, tree: Tree, lengths: Float64Array, columnBytes: number): number {
  const { nodes, levels, children, depth } = levelOrder(tree)
  const count = nodes.length
  const first = into.byteOffset + start + headerBytes
  const words = new Int32Array(into.buffer, first, 4 * count)
  const doubles = new Float64Array(into.buffer, first, 3 * count)
  for (let i = 0; i < count; i++) {
    const node = nodes[i]!
    const feature = tree.features[node]!
    words[4 * i + 3] = nodeBytes * children[i]!
    if (feature < 0) {
      doubles[2 * i] = Number.POSITIVE_INFINITY
      doubles[2 * count + i] = levels[i]! + lengths[tree.links[node]!]!
    } else {
      doubles[2 * i] = tree.thresholds[node]!
      words[4 * i + 2] = feature * columnBytes
    }
  }
  const rounds = Math.max(1, Math.ceil(depth / levelsAtOnce))
  new Int32Array(into.buffer, into.byteOffset + start, 3).set([nodeBytes * count, treeBytes(count), rounds])
  return treeBytes(count)
}

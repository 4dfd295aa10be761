import { averagePathLengths } from '../../../index.ts'
import { type Forest, type Tree, treeOf } from '../../index.ts'
import { headerBytes, leafBytes, levelsAtOnce, nodeBytes } from './code.ts'

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

/** Siblings lie side by side, in the order in which their parents come. Returns the bytes of the tree. */
function layTree(
  into: Uint8Array,
  start: number,
  { features, thresholds, links }: Tree,
  lengths: Float64Array,
  columnBytes: number,
): number {
  const count = features.length
  const first = into.byteOffset + start + headerBytes
  const words = new Int32Array(into.buffer, first, 4 * count)
  const doubles = new Float64Array(into.buffer, first, 3 * count)
  const levels = new Uint8Array(count)
  // `order[i]` is the node at place i: level by level, so that the top of the tree shares cache lines.
  const order = new Uint32Array(count)
  let laid = 1
  for (let i = 0; i < count; i++) {
    const node = order[i]!
    const feature = features[node]!
    const link = links[node]!
    const level = levels[i]!
    if (feature < 0) {
      doubles[2 * i] = Number.POSITIVE_INFINITY
      words[4 * i + 3] = nodeBytes * i
      doubles[2 * count + i] = level + lengths[link]!
      continue
    }
    doubles[2 * i] = thresholds[node]!
    words[4 * i + 2] = feature * columnBytes
    words[4 * i + 3] = nodeBytes * laid
    levels[laid] = levels[laid + 1] = level + 1
    order[laid++] = node + 1
    order[laid++] = link
  }
  const rounds = Math.max(1, Math.ceil(levels[count - 1]! / levelsAtOnce))
  new Int32Array(into.buffer, into.byteOffset + start, 3).set([nodeBytes * count, treeBytes(count), rounds])
  return treeBytes(count)
}

import { decodeForest, encodeForest, type Forest, joined, joinTrees, treeOf } from './forest.ts'
import type { ObliqueTree } from './oblique-tree.ts'

/**
 * A forest of oblique trees as data, and its bytes: a forest whose splits are the first feature of each cut, so that
 * everything that is known about the shape of trees holds for it, and beside it the rest of the cuts.
 */
export interface ObliqueForest extends Forest {
  /** Features of a cut. */
  readonly columns: number
  /** Whether a node counts only for rows within its range, threshold +- width. */
  readonly rangePenalty: boolean
  /** Per node `columns` features; what is unused has the weight 0. */
  readonly cutFeatures: Int32Array
  readonly weights: Float64Array
  readonly widths: Float64Array
}

/** Most features of a cut. */
export const maxColumns = 64

// 'DWOF' read as a little-endian word
const magic = 0x464f_5744
const formatVersion = 1
const headerBytes = 24

/** Bytes that the cuts take beside the plain forest. */
export function cutBytes(nodes: number, columns: number): number {
  return headerBytes + nodes * (8 + 12 * columns)
}

/** Puts trees, in order, into one forest. All have the same number of columns. */
export function joinObliqueTrees(
  trees: readonly ObliqueTree[],
  shape: Pick<ObliqueForest, 'psi' | 'features' | 'depthLimit' | 'columns' | 'rangePenalty'>,
): ObliqueForest {
  const { columns, rangePenalty } = shape
  const plain = trees.map(({ features, thresholds, links }) => {
    // `from` would go by an iterator, at thirty times the time.
    const splits = new Int32Array(thresholds.length)
    for (let node = 0; node < splits.length; node++) splits[node] = features[node * columns]!
    return { features: splits, thresholds, links }
  })
  return {
    ...joinTrees(plain, shape),
    ...{ columns, rangePenalty },
    cutFeatures: joined(Int32Array, trees, (tree) => tree.features),
    weights: joined(Float64Array, trees, (tree) => tree.weights),
    widths: joined(Float64Array, trees, (tree) => tree.widths),
  }
}

/** One tree of a forest; views, no copy. */
export function obliqueTreeOf(forest: ObliqueForest, t: number): ObliqueTree {
  const { columns } = forest
  const from = forest.offsets[t]!
  const to = forest.offsets[t + 1]!
  return {
    ...treeOf(forest, t),
    columns,
    features: forest.cutFeatures.subarray(from * columns, to * columns),
    weights: forest.weights.subarray(from * columns, to * columns),
    widths: forest.widths.subarray(from, to),
  }
}

/**
 * The bytes, little-endian: six 32-bit words (magic, format version, columns, range penalty 0 or 1, bytes of the plain
 * forest, 0), the plain forest, then per node all widths (float64), all weights (float64) and all features (int32).
 */
export function encodeObliqueForest(forest: ObliqueForest): Uint8Array<ArrayBuffer> {
  const plain = encodeForest(forest)
  const nodes = forest.widths.length
  const bytes = new Uint8Array(plain.byteLength + cutBytes(nodes, forest.columns))
  const words = [magic, formatVersion, forest.columns, forest.rangePenalty ? 1 : 0, plain.byteLength, 0]
  new Uint32Array(bytes.buffer, 0, 6).set(words)
  bytes.set(plain, headerBytes)
  const views = cutViews(bytes, plain.byteLength, nodes, forest.columns)
  views.widths.set(forest.widths)
  views.weights.set(forest.weights)
  views.cutFeatures.set(forest.cutFeatures)
  return bytes
}

function cutViews(bytes: Uint8Array, plainBytes: number, nodes: number, columns: number) {
  const widths = bytes.byteOffset + headerBytes + plainBytes
  const weights = widths + 8 * nodes
  return {
    widths: new Float64Array(bytes.buffer, widths, nodes),
    weights: new Float64Array(bytes.buffer, weights, nodes * columns),
    cutFeatures: new Int32Array(bytes.buffer, weights + 8 * nodes * columns, nodes * columns),
  }
}

/**
 * Reads a forest and checks every number in it, as `decodeForest` does.
 *
 * @param bytes may lie over shared memory; where its offset allows, the forest is a view of it, else a copy
 * @throws RangeError when anything is out of place
 */
export function decodeObliqueForest(bytes: Uint8Array): ObliqueForest {
  if (bytes.byteLength < headerBytes) throw new RangeError('the forest is shorter than its header')
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const header = new Uint32Array(aligned.buffer, aligned.byteOffset, 6)
  const [word, version, columns = 0, penalty = 0, plainBytes = 0, rest] = header
  if (word !== magic || version !== formatVersion || rest !== 0 || penalty > 1)
    throw new RangeError('this is not an oblique forest of format 1')
  if (columns < 1 || columns > maxColumns) throw new RangeError('the number of columns is out of range')
  if (plainBytes % 8 !== 0 || headerBytes + plainBytes > aligned.byteLength)
    throw new RangeError('the plain forest has the wrong length')
  const plain = decodeForest(aligned.subarray(headerBytes, headerBytes + plainBytes))
  const nodes = plain.splits.length
  if (aligned.byteLength !== plainBytes + cutBytes(nodes, columns))
    throw new RangeError('the cuts have the wrong length')
  const views = cutViews(aligned, plainBytes, nodes, columns)
  const forest = { ...plain, ...views, columns, rangePenalty: penalty === 1 }
  checkCuts(forest)
  return forest
}

function checkCuts({ splits, features, columns, cutFeatures, weights, widths }: ObliqueForest): void {
  for (let node = 0; node < splits.length; node++) {
    const at = node * columns
    if (cutFeatures[at] !== splits[node]) throw new RangeError('a cut is not that of its node')
    if (!(widths[node]! >= 0 && widths[node]! < Number.POSITIVE_INFINITY)) throw new RangeError('a width is not valid')
    for (let c = 0; c < columns; c++) {
      const feature = cutFeatures[at + c]!
      if (!Number.isFinite(weights[at + c])) throw new RangeError('a weight is not finite')
      if (c > 0 && (feature < 0 || feature >= features)) throw new RangeError('a cut has a feature that does not exist')
    }
  }
}

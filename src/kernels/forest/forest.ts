import { nodeDepths, type Tree } from './tree.ts'

/**
 * The isolation forest as data, and its bytes. The nodes of all trees stand one after another, each
 * tree in preorder (see `Tree`); tree t has the nodes offsets[t] to offsets[t + 1] - 1, and node
 * numbers in `links` count from the tree's first node.
 */
export interface Forest {
  readonly trees: number
  /** Rows each tree was built from. */
  readonly psi: number
  /** Number of features of the model; columns a scored row needs. */
  readonly features: number
  readonly depthLimit: number
  readonly offsets: Uint32Array
  readonly thresholds: Float64Array
  readonly splits: Int32Array
  readonly links: Uint32Array
}

/** Bounds of what is encoded; a payload beyond them is refused. */
export const forestBounds = { trees: 1000, psi: 65_536, features: 65_535, depthLimit: 32 } as const

// 'DWIF' read as a little-endian word
const magic = 0x4649_5744
const isLittleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1
const formatVersion = 1
const headerBytes = 32

/** Bytes of a forest: a header of 32, 4 per tree and 16 per node. */
export function forestBytes(trees: number, nodes: number): number {
  return headerBytes + offsetBytes(trees) + 16 * nodes
}

function offsetBytes(trees: number): number {
  return Math.ceil((trees + 1) / 2) * 8
}

/**
 * The bytes of a forest, little-endian: eight 32-bit words (magic, format version, trees, psi,
 * features, depth limit, nodes, 0), the offsets (32-bit, padded to 8 bytes), then per node all
 * thresholds (float64), all split features (int32, -1 leaf) and all links (uint32).
 */
export function encodeForest(forest: Forest): Uint8Array<ArrayBuffer> {
  const nodes = forest.thresholds.length
  const bytes = new Uint8Array(forestBytes(forest.trees, nodes))
  const header = [magic, formatVersion, forest.trees, forest.psi, forest.features, forest.depthLimit, nodes, 0]
  new Uint32Array(bytes.buffer, 0, 8).set(header)
  const views = forestViews(bytes.buffer, 0, forest.trees, nodes)
  views.offsets.set(forest.offsets)
  views.thresholds.set(forest.thresholds)
  views.splits.set(forest.splits)
  views.links.set(forest.links)
  return bytes
}

function forestViews(buffer: ArrayBufferLike, start: number, trees: number, nodes: number) {
  const thresholds = start + headerBytes + offsetBytes(trees)
  return {
    offsets: new Uint32Array(buffer, start + headerBytes, trees + 1),
    thresholds: new Float64Array(buffer, thresholds, nodes),
    splits: new Int32Array(buffer, thresholds + 8 * nodes, nodes),
    links: new Uint32Array(buffer, thresholds + 12 * nodes, nodes),
  }
}

type Shape = Pick<Forest, 'psi' | 'features' | 'depthLimit'>

/** One tree as a forest; views, no copy. */
export function forestOf({ thresholds, features: splits, links }: Tree, { psi, features, depthLimit }: Shape): Forest {
  return { trees: 1, psi, features, depthLimit, offsets: Uint32Array.of(0, splits.length), thresholds, splits, links }
}

/** Puts trees, in order, into one forest. */
export function joinTrees(trees: readonly Tree[], shape: Shape): Forest {
  const offsets = new Uint32Array(trees.length + 1)
  trees.forEach((tree, t) => {
    offsets[t + 1] = offsets[t]! + tree.features.length
  })
  const { psi, features, depthLimit } = shape
  return {
    ...{ trees: trees.length, psi, features, depthLimit, offsets },
    thresholds: joined(Float64Array, trees, (tree) => tree.thresholds),
    splits: joined(Int32Array, trees, (tree) => tree.features),
    links: joined(Uint32Array, trees, (tree) => tree.links),
  }
}

/** The arrays of all trees, one after the other. */
export function joined<Part, Numbers extends Float64Array | Int32Array | Uint32Array>(
  kind: new (length: number) => Numbers,
  trees: readonly Part[],
  arrayOf: (tree: Part) => Numbers,
): Numbers {
  const all = new kind(trees.reduce((sum, tree) => sum + arrayOf(tree).length, 0))
  let end = 0
  for (const tree of trees) {
    all.set(arrayOf(tree), end)
    end += arrayOf(tree).length
  }
  return all
}

/** One tree of a forest; views, no copy. */
export function treeOf(forest: Forest, t: number): Tree {
  const from = forest.offsets[t]!
  const to = forest.offsets[t + 1]!
  return {
    features: forest.splits.subarray(from, to),
    thresholds: forest.thresholds.subarray(from, to),
    links: forest.links.subarray(from, to),
  }
}

/** Depth of the deepest leaf of a forest. */
export function forestDepth(forest: Forest): number {
  let deepest = 0
  for (let t = 0; t < forest.trees; t++) {
    for (const depth of nodeDepths(treeOf(forest, t))) if (depth > deepest) deepest = depth
  }
  return deepest
}

/**
 * Reads a forest and checks every number in it, so that walking the result can neither read out of
 * range nor loop: what passes is a forest of proper trees in preorder whose leaves hold psi rows each.
 *
 * @param bytes may lie over shared memory; where its offset allows, the forest is a view of it, else a copy
 * @throws RangeError when anything is out of place
 */
export function decodeForest(bytes: Uint8Array): Forest {
  const forest = viewForest(bytes)
  for (let t = 0; t < forest.trees; t++) checkTree(forest, t)
  return forest
}

/**
 * Reads a forest whose trees were checked before: its head and its lengths alone are looked at.
 *
 * @throws RangeError when these are out of place
 */
export function viewForest(bytes: Uint8Array): Forest {
  if (!isLittleEndian) throw new RangeError('the processor is not little-endian')
  if (bytes.byteLength < headerBytes) throw new RangeError('the forest is shorter than its header')
  const aligned = bytes.byteOffset % 8 === 0 ? bytes : bytes.slice()
  const header = new Uint32Array(aligned.buffer, aligned.byteOffset, 8)
  const [word = 0, version = 0, trees = 0, psi = 0, features = 0, depthLimit = 0, nodes = 0, rest = 0] = header
  if (word !== magic || version !== formatVersion || rest !== 0)
    throw new RangeError('this is not a forest of format 1')
  if (!within(trees, 1, forestBounds.trees) || !within(psi, 2, forestBounds.psi))
    throw new RangeError('trees or psi is out of range')
  if (!within(features, 1, forestBounds.features)) throw new RangeError('the number of features is out of range')
  if (!within(depthLimit, 1, forestBounds.depthLimit)) throw new RangeError('the depth limit is out of range')
  if (bytes.byteLength !== forestBytes(trees, nodes)) throw new RangeError('the forest has the wrong length')
  const views = forestViews(aligned.buffer, aligned.byteOffset, trees, nodes)
  const forest = { trees, psi, features, depthLimit, ...views }
  checkOffsets(forest, nodes)
  return forest
}

function within(value: number, min: number, max: number): boolean {
  return value >= min && value <= max
}

function checkOffsets({ offsets, trees }: Forest, nodes: number): void {
  if (offsets[0] !== 0 || offsets[trees] !== nodes) throw new RangeError('the trees do not fill the forest')
  for (let t = 0; t < trees; t++) {
    if (offsets[t]! >= offsets[t + 1]!) throw new RangeError('a tree has no nodes')
  }
}

/**
 * Walks the nodes in their order, keeping the right children that are still to come: after a leaf the
 * next node must be the nearest of them. So each node is reached exactly once and children come later.
 */
function checkTree(forest: Forest, t: number): void {
  const { splits, links, offsets } = forest
  const start = offsets[t]!
  const count = offsets[t + 1]! - start
  const awaited: { node: number; depth: number }[] = []
  let depth = 0
  let rows = 0
  for (let i = 0; i < count; i++) {
    const link = links[start + i]!
    if (splits[start + i]! >= 0) {
      checkInner(forest, start + i)
      if (depth >= forest.depthLimit) throw new RangeError('a tree is deeper than its limit')
      if (link <= i + 1 || link >= count) throw new RangeError('a child lies outside its tree')
      awaited.push({ node: link, depth: ++depth })
      continue
    }
    checkLeaf(forest, start + i)
    rows += link
    const next = awaited.pop()
    if (next === undefined && i !== count - 1) throw new RangeError('a tree has nodes that belong nowhere')
    if (next !== undefined && next.node !== i + 1) throw new RangeError('a child is not where it must be')
    depth = next?.depth ?? 0
  }
  if (awaited.length > 0 || rows !== forest.psi) throw new RangeError('a tree is not complete')
}

function checkInner({ splits, thresholds, features }: Forest, node: number): void {
  if (splits[node]! >= features) throw new RangeError('a node splits a feature that does not exist')
  if (!Number.isFinite(thresholds[node])) throw new RangeError('a threshold is not finite')
}

function checkLeaf({ splits, thresholds, links }: Forest, node: number): void {
  const isLeaf = splits[node] === -1 && Object.is(thresholds[node], 0) && links[node]! >= 1
  if (!isLeaf) throw new RangeError('a leaf is not valid')
}

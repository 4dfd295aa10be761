import { countUp, type Random, type Sample } from '../sampling/index.ts'

/**
 * One isolation tree, its nodes in preorder: the left child of inner node i is i + 1. One entry per
 * node in every array.
 */
export interface Tree {
  /** Feature of an inner node, -1 for a leaf. */
  readonly features: Int32Array
  /** Split value of an inner node: a row goes left when x <= threshold. 0 for a leaf. */
  readonly thresholds: Float64Array
  /** Right child of an inner node (a node number); for a leaf the rows of the sample that ended there. */
  readonly links: Uint32Array
}

export interface TreeOptions {
  readonly sample: Sample
  /** Features that may be split: columns of the sample. Those that are constant in a node are passed over there. */
  readonly candidates: readonly number[]
  /** Depth at which a node becomes a leaf, the root being at 0; 1..32. */
  readonly depthLimit: number
  readonly random: Random
}

/** Nodes a tree can have at most. */
export function maxNodes(rows: number, depthLimit: number): number {
  return Math.max(1, Math.min(2 * rows - 1, 2 ** (depthLimit + 1) - 1))
}

/** Depth of every node, the root's being 0. */
export function nodeDepths({ features, links }: Tree): Uint8Array {
  const depths = new Uint8Array(features.length)
  // In preorder a parent comes before its children.
  for (let node = 0; node < features.length; node++) {
    if (features[node]! < 0) continue
    const below = depths[node]! + 1
    depths[node + 1] = below
    depths[links[node]!] = below
  }
  return depths
}

/** Rows of the sample that reached every node. */
export function nodeSizes({ features, links }: Tree): Uint32Array {
  const sizes = new Uint32Array(features.length)
  for (let node = features.length - 1; node >= 0; node--) {
    const link = links[node]!
    sizes[node] = features[node]! < 0 ? link : sizes[node + 1]! + sizes[link]!
  }
  return sizes
}

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

/**
 * Builds one tree as algorithm 2 of Liu, Ting and Zhou (2008), with one difference: a feature that is
 * constant among a node's rows is not drawn, as it could not separate anything. Draws uniformly among
 * the others, then a split value uniformly in [min, max). Neither side is ever empty.
 */
export function buildTree({ sample, candidates, depthLimit, random }: TreeOptions): Tree {
  const { values, size, filled } = sample
  const max = maxNodes(filled, depthLimit)
  const tree = { features: new Int32Array(max), thresholds: new Float64Array(max), links: new Uint32Array(max) }
  const rows = countUp(filled)
  // Known constant features are kept in front: a node's constants are also its descendants', and what
  // a descendant swaps lies behind the constants of every ancestor.
  const order = Int32Array.from(candidates)
  let nodes = 0

  /** Grows the node of rows[from..to) and all below it; the first `constants` of `order` are constant there. */
  function grow(from: number, to: number, depth: number, constants: number): void {
    const node = nodes++
    let min = 0
    let max = 0
    let feature = -1
    while (depth < depthLimit && to - from > 1 && constants < order.length) {
      const place = constants + random.nextInt(order.length - constants)
      const drawn = order[place]!
      min = max = values[drawn * size + rows[from]!]!
      for (let i = from + 1; i < to; i++) {
        const value = values[drawn * size + rows[i]!]!
        if (value < min) min = value
        else if (value > max) max = value
      }
      if (min < max) {
        feature = drawn
        break
      }
      order[place] = order[constants]!
      order[constants++] = drawn
    }
    tree.features[node] = feature
    if (feature < 0) {
      tree.links[node] = to - from
      return
    }
    const threshold = drawThreshold(min, max, random.nextFloat())
    tree.thresholds[node] = threshold
    const middle = partition(rows, from, to, values, feature * size, threshold)
    grow(from, middle, depth + 1, constants)
    tree.links[node] = nodes
    grow(middle, to, depth + 1, constants)
  }

  grow(0, filled, 0, 0)
  return {
    features: tree.features.slice(0, nodes),
    thresholds: tree.thresholds.slice(0, nodes),
    links: tree.links.slice(0, nodes),
  }
}

/**
 * A value in [min, max), for finite min < max. The mean of the ends, weighted, cannot overflow as
 * `max - min` can; rounding up to `max`, as with neighbouring doubles, is turned into `min`.
 */
function drawThreshold(min: number, max: number, u: number): number {
  const value = min * (1 - u) + max * u
  // A zero as the least value may have either sign, by the order of the rows: added to 0 it has none.
  return value >= min && value < max ? value : min + 0
}

/**
 * Puts rows with value <= threshold first; returns where the others begin. A row changes places with the first of the others
 * wherever it belongs: which side that is nobody could predict, and a guess that fails costs more than the move.
 */
function partition(
  rows: Uint32Array,
  from: number,
  to: number,
  values: Float64Array,
  column: number,
  threshold: number,
): number {
  let left = from
  for (let i = from; i < to; i++) {
    const row = rows[i]!
    rows[i] = rows[left]!
    rows[left] = row
    left += Number(values[column + row]! <= threshold)
  }
  return left
}

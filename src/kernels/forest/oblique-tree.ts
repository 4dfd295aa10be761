import { countUp, type Random, type Sample } from '../sampling/index.ts'
import { maxNodes } from './tree.ts'

/**
 * One tree whose nodes cut along a direction: a row goes left when w . x <= threshold, w having at most `columns`
 * entries that are not 0. Nodes in preorder as in `Tree`, one entry per node; features and weights have `columns`.
 */
export interface ObliqueTree {
  readonly columns: number
  /** Features of an inner node; the first is -1 for a leaf. Unused places have feature 0 and weight 0. */
  readonly features: Int32Array
  /** The direction, in units of the data. */
  readonly weights: Float64Array
  readonly thresholds: Float64Array
  /** Width of the training rows along the direction, at the node; see `rangePenalty`. 0 for a leaf. */
  readonly widths: Float64Array
  /** Right child of an inner node; for a leaf the rows of the sample that ended there. */
  readonly links: Uint32Array
}

export interface ObliqueTreeOptions {
  readonly sample: Sample
  /** Features that may be part of a cut. Those that are constant in a node are passed over there. */
  readonly candidates: readonly number[]
  /** Spread per column: a direction is drawn in these units. */
  readonly spread: Float64Array
  /** How likely each column is to be drawn beside the others, above 0; null = all are as likely. */
  readonly likelihoods: Float64Array | null
  /** Features of a cut, 1..candidates.length; fewer where fewer vary. */
  readonly columns: number
  readonly depthLimit: number
  readonly random: Random
}

/**
 * Builds one tree as algorithm 2 of Hariri, Carrasco Kind and Brunner (2019), "Extended Isolation Forest", IEEE TKDE 33
 * (section 3.2; `columns` is their extension level + 1): the direction has standard normal entries. One difference:
 * where they draw a point inside the node's box, the threshold here is drawn on the interval that the node's rows cover
 * along the direction, so that no side is ever empty. With one column it is the cut of the plain forest.
 */
export function buildObliqueTree(options: ObliqueTreeOptions): ObliqueTree {
  const { sample, candidates, spread, likelihoods, columns, depthLimit, random } = options
  const { values, size, filled } = sample
  const max = maxNodes(filled, depthLimit)
  const tree = {
    features: new Int32Array(max * columns),
    weights: new Float64Array(max * columns),
    thresholds: new Float64Array(max),
    widths: new Float64Array(max),
    links: new Uint32Array(max),
  }
  const rows = countUp(filled)
  const along = new Float64Array(filled)
  // As in `buildTree`: what is known to be constant stands in front, for the node and all below it.
  const order = Int32Array.from(candidates)
  let nodes = 0

  /** Grows the node of rows[from..to) and all below it; the first `constants` of `order` are constant there. */
  function grow(from: number, to: number, depth: number, constants: number): void {
    const node = nodes++
    let picked = 0
    if (depth < depthLimit && to - from > 1) {
      // Features drawn for this node are kept behind the constants.
      while (picked < columns && constants + picked < order.length) {
        const place = drawPlace(order, constants + picked, likelihoods, random)
        const drawn = order[place]!
        order[place] = order[constants + picked]!
        order[constants + picked] = drawn
        if (varies(values, drawn * size, rows, from, to)) picked++
        else {
          order[constants + picked] = order[constants]!
          order[constants++] = drawn
        }
      }
    }
    const cut = picked > 0 ? drawCut(node, constants, picked, from, to) : null
    if (cut === null) {
      tree.features[node * columns] = -1
      tree.links[node] = to - from
      return
    }
    const middle = partition(rows, along, from, to, cut)
    grow(from, middle, depth + 1, constants)
    tree.links[node] = nodes
    grow(middle, to, depth + 1, constants)
  }

  /** Draws direction and threshold; null when the rows fall together along the direction, as rounding can make them. */
  function drawCut(node: number, first: number, count: number, from: number, to: number): number | null {
    const at = node * columns
    for (let c = 0; c < count; c++) {
      const feature = order[first + c]!
      tree.features[at + c] = feature
      tree.weights[at + c] = direction(random, count) / spread[feature]!
    }
    // Feature by feature, so that what a row adds up is the only thing that is looked up anew.
    along.fill(0, from, to)
    for (let c = 0; c < count; c++) {
      const column = tree.features[at + c]! * size
      const weight = tree.weights[at + c]!
      for (let i = from; i < to; i++) along[i] = along[i]! + weight * values[column + rows[i]!]!
    }
    let min = Number.POSITIVE_INFINITY
    let max = Number.NEGATIVE_INFINITY
    for (let i = from; i < to; i++) {
      const sum = along[i]!
      if (sum < min) min = sum
      if (sum > max) max = sum
    }
    const threshold = min + (max - min) * random.nextFloat()
    if (!(threshold >= min && threshold < max && max - min < Number.POSITIVE_INFINITY)) {
      tree.weights.fill(0, at, at + columns)
      tree.features.fill(0, at, at + columns)
      return null
    }
    tree.thresholds[node] = threshold
    tree.widths[node] = max - min
    return threshold
  }

  grow(0, filled, 0, 0)
  return {
    columns,
    features: tree.features.slice(0, nodes * columns),
    weights: tree.weights.slice(0, nodes * columns),
    thresholds: tree.thresholds.slice(0, nodes),
    widths: tree.widths.slice(0, nodes),
    links: tree.links.slice(0, nodes),
  }
}

/** Whether the values of a column, which begins at `start`, differ among rows[from..to). */
function varies(values: Float64Array, start: number, rows: Uint32Array, from: number, to: number): boolean {
  const first = values[start + rows[from]!]
  for (let i = from + 1; i < to; i++) if (values[start + rows[i]!] !== first) return true
  return false
}

/** The place in `order`, from `from` on, of the next feature to try. */
function drawPlace(order: Int32Array, from: number, likelihoods: Float64Array | null, random: Random): number {
  if (likelihoods === null) return from + random.nextInt(order.length - from)
  let rest = 0
  for (let at = from; at < order.length; at++) rest += likelihoods[order[at]!]!
  rest *= random.nextFloat()
  let place = from
  while (place < order.length - 1) {
    rest -= likelihoods[order[place]!]!
    if (rest < 0) break
    place++
  }
  return place
}

/** An entry of a direction: standard normal (Box and Muller 1958), or its sign when there is only one. */
function direction(random: Random, count: number): number {
  if (count === 1) return 1
  const length = Math.sqrt(-2 * Math.log(1 - random.nextFloat()))
  const entry = length * Math.cos(2 * Math.PI * random.nextFloat())
  return entry === 0 ? 1 : entry
}

/** Puts rows with along <= threshold first; returns where the others begin. Both arrays move together, as in `buildTree` without a guess. */
function partition(rows: Uint32Array, along: Float64Array, from: number, to: number, threshold: number): number {
  let left = from
  for (let i = from; i < to; i++) {
    const row = rows[i]!
    const place = along[i]!
    rows[i] = rows[left]!
    along[i] = along[left]!
    rows[left] = row
    along[left] = place
    left += Number(place <= threshold)
  }
  return left
}

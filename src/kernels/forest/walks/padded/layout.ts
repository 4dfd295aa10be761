import { type Forest, forestDepth, type Tree, treeOf } from '../../index.ts'
import { leafBytes, levelsAtOnce, linkedHeaderBytes, mostPaddedDepth, nodeBytes, paddedTreeBytes } from './code.ts'

/** Bytes of one run of trees that is walked at a time: bounds the kernel's memory for forests of any size. */
const mostRunBytes = 8 * 1024 * 1024

/** How a forest lies in the kernel's memory. */
export interface ForestPlan {
  /** Depth of the deepest leaf; at least 1. */
  readonly depth: number
  /** Depth of the padded trees; 0 = the trees are linked. */
  readonly paddedDepth: number
  /** Runs of trees: from..to-1 and the bytes they take. */
  readonly runs: readonly { readonly from: number; readonly to: number; readonly bytes: number }[]
  /** Bytes of all runs. */
  readonly bytes: number
}

/**
 * Chooses the layout and cuts the forest into runs. Forests of up to `mostPaddedDepth` are padded, which
 * is 1.2 to 1.7 times faster; from depth 11 on the padding (24 KiB a tree at depth 10, doubling with
 * each level) costs more than it saves.
 */
export function planForest(forest: Forest): ForestPlan {
  // A tree that is only a root is walked as one of depth 1 whose rows all go left.
  const depth = Math.max(1, forestDepth(forest))
  const paddedDepth = depth <= mostPaddedDepth ? depth : 0
  const runs = []
  let run = { from: 0, to: 0, bytes: 0 }
  let bytes = 0
  for (let t = 0; t < forest.trees; t++) {
    const nodes = (forest.offsets[t + 1] as number) - (forest.offsets[t] as number)
    const size = paddedDepth > 0 ? paddedTreeBytes(paddedDepth) : linkedTreeBytes(nodes)
    if (run.to > run.from && run.bytes + size > mostRunBytes) {
      runs.push(run)
      run = { from: t, to: t, bytes: 0 }
    }
    run = { from: run.from, to: t + 1, bytes: run.bytes + size }
    bytes += size
  }
  runs.push(run)
  return { depth, paddedDepth, runs, bytes }
}

function linkedTreeBytes(nodes: number): number {
  return linkedHeaderBytes + (nodeBytes + leafBytes) * nodes
}

/**
 * Lays out one run of trees.
 *
 * @param lengths c(0) to c(psi)
 * @param laneBytes bytes between two lanes of the tile
 */
export function layRun(
  forest: Forest,
  plan: ForestPlan,
  run: ForestPlan['runs'][number],
  lengths: Float64Array,
  laneBytes: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(run.bytes)
  let start = 0
  for (let t = run.from; t < run.to; t++) {
    const tree = treeOf(forest, t)
    start +=
      plan.paddedDepth > 0
        ? layPadded(bytes.buffer, start, tree, plan.paddedDepth, lengths, laneBytes)
        : layLinked(bytes.buffer, start, tree, lengths, laneBytes)
  }
  return bytes
}

/**
 * A perfect tree of `depth`: places in level order, the children of p being 2 p and 2 p + 1. An early
 * leaf goes down on the left all the way, as its padding has the threshold +Infinity.
 */
function layPadded(
  buffer: ArrayBuffer,
  start: number,
  { features, thresholds, links }: Tree,
  depth: number,
  lengths: Float64Array,
  laneBytes: number,
): number {
  const inner = 2 ** depth - 1
  const words = new Int32Array(buffer, start, 4 * inner)
  const doubles = new Float64Array(buffer, start, 2 * inner + inner + 1)
  for (let i = 0; i < inner; i++) doubles[2 * i] = Number.POSITIVE_INFINITY
  const places = new Uint32Array(features.length)
  places[0] = 1
  for (let node = 0; node < features.length; node++) {
    const place = places[node] as number
    const feature = features[node] as number
    const link = links[node] as number
    if (feature >= 0) {
      doubles[2 * (place - 1)] = thresholds[node] as number
      words[4 * (place - 1) + 2] = feature * laneBytes
      places[node + 1] = 2 * place
      places[link] = 2 * place + 1
    } else {
      const level = 31 - Math.clz32(place)
      doubles[2 * inner + (place << (depth - level)) - (inner + 1)] = level + (lengths[link] as number)
    }
  }
  return paddedTreeBytes(depth)
}

/** A linked tree: siblings side by side in the order in which their parents come. */
function layLinked(
  buffer: ArrayBuffer,
  start: number,
  { features, thresholds, links }: Tree,
  lengths: Float64Array,
  laneBytes: number,
): number {
  const count = features.length
  const first = start + linkedHeaderBytes
  const header = new Int32Array(buffer, start, 3)
  const words = new Int32Array(buffer, first, 4 * count)
  const doubles = new Float64Array(buffer, first, 3 * count)
  const levels = new Uint8Array(count)
  // `order[i]` is the node at place i: level by level, so that the top of the tree shares cache lines.
  const order = new Uint32Array(count)
  let laid = 1
  for (let i = 0; i < count; i++) {
    const node = order[i] as number
    const feature = features[node] as number
    const link = links[node] as number
    const level = levels[i] as number
    if (feature >= 0) {
      doubles[2 * i] = thresholds[node] as number
      words[4 * i + 2] = feature * laneBytes
      words[4 * i + 3] = nodeBytes * laid
      levels[laid] = level + 1
      order[laid++] = node + 1
      levels[laid] = level + 1
      order[laid++] = link
    } else {
      doubles[2 * i] = Number.POSITIVE_INFINITY
      words[4 * i + 3] = nodeBytes * i
      doubles[2 * count + i] = level + (lengths[link] as number)
    }
  }
  header.set([
    nodeBytes * count,
    linkedTreeBytes(count),
    Math.max(1, Math.ceil((levels[count - 1] as number) / levelsAtOnce)),
  ])
  return linkedTreeBytes(count)
}

/**
 * The walk through oblique trees as WebAssembly, equal to `walkOblique` in every bit. Four rows walk a tree together, so
 * that their loads overlap; all go down as many levels as the tree is deep, a leaf being its own left child.
 *
 * A node is 16 bytes and 16 more per column: threshold, width (float64 each), then per column its weight (float64),
 * the byte offset of the feature's lane in the tile (int32) and, in the first one, the byte offset of the left child
 * (int32); the right child is next to it. A node whose rows always count has the width Infinity. A leaf has the
 * threshold Infinity and the width -1, so that no row leaves it or is counted again, and the weights 0; c(rows in the leaf)
 * stands behind the last node, one float64 per node in their order.
 */
import { averagePathLengths } from '../../../index.ts'
import {
  absF64,
  type Code,
  constant,
  constantF64,
  f64,
  forEach,
  get,
  i32,
  loadF64,
  loadI32,
  op,
  repeatWhile,
  set,
  storeF64,
  type WasmFunction,
} from '../../../wasm/index.ts'
import { type ObliqueForest, obliqueTreeOf } from '../../index.ts'

/** Rows that walk together. */
export const obliqueGroup = 4

const obliqueNodeBytes = (columns: number) => 16 + 16 * columns
/** Bytes before the nodes of a tree: bytes of its nodes, bytes of the tree, levels (int32 each), 4 unused. */
const headBytes = 16

/** Parameters, all byte addresses: trees [0, 1), tile lanes of the first feature [2, 3), sums 4. */
const [trees, treesEnd, tile, tileEnd, sumsStart] = [0, 1, 2, 3, 4] as const
const [row, sums, base, leaves, level, node, place] = [5, 6, 7, 8, 9, 10, 11] as const

export function obliqueWalk(columns: number): WasmFunction {
  const depth = place + obliqueGroup
  const beyond = depth + obliqueGroup
  const bytes = obliqueNodeBytes(columns)
  const increase = (local: number, by: Code): Code => [...get(local), ...by, op.i32Add, ...set(local)]
  const part = (k: number, c: number): Code => [
    ...[...get(node), ...loadF64(16 + 16 * c)],
    ...[...get(row), ...get(node), ...loadI32(24 + 16 * c), op.i32Add, ...loadF64(8 * k), op.f64Mul],
    ...(c > 0 ? [op.f64Add] : []),
  ]
  const step = (k: number): Code => [
    ...[...get(place + k), ...get(base), op.i32Add, ...set(node)],
    ...forEach(columns, (c) => part(k, c)),
    ...[...get(node), ...loadF64(0), op.f64Sub, ...set(beyond)],
    ...[...get(beyond), ...absF64, ...get(node), ...loadF64(8), op.f64Le],
    ...[...get(depth + k), op.i32Add, ...set(depth + k)],
    ...[...constant(bytes), ...constant(0), ...get(beyond), ...constantF64(0), op.f64Gt, op.select],
    ...[...get(node), ...loadI32(28), op.i32Add, ...set(place + k)],
  ]
  const addRow = (k: number): Code => [
    ...get(sums),
    ...[...get(sums), ...loadF64(8 * k), ...get(depth + k), op.f64FromI32, op.f64Add],
    // The place of a leaf in bytes, by the bytes of a node, is its number; its c lies behind the nodes.
    ...[...get(leaves), ...get(place + k), ...constant(bytes), op.i32DivU, ...constant(3), op.i32Shl, op.i32Add],
    ...[...loadF64(0), op.f64Add, ...storeF64(8 * k)],
  ]
  const group: Code = [
    ...forEach(obliqueGroup, (k) => [...constant(0), ...set(place + k), ...constant(0), ...set(depth + k)]),
    ...[...get(trees), ...loadI32(8), ...set(level)],
    ...repeatWhile(
      [...forEach(obliqueGroup, step), ...get(level), ...constant(1), op.i32Sub, ...set(level)],
      get(level),
    ),
    ...forEach(obliqueGroup, addRow),
    ...[...increase(sums, constant(8 * obliqueGroup)), ...increase(row, constant(8 * obliqueGroup))],
  ]
  const tree: Code = [
    ...[...get(trees), ...constant(headBytes), op.i32Add, ...set(base)],
    ...[...get(base), ...get(trees), ...loadI32(0), op.i32Add, ...set(leaves)],
    ...[...get(tile), ...set(row), ...get(sumsStart), ...set(sums)],
    ...repeatWhile(group, [...get(row), ...get(tileEnd), op.i32LtU]),
    ...increase(trees, [...get(trees), ...loadI32(4)]),
  ]
  const body = repeatWhile(tree, [...get(trees), ...get(treesEnd), op.i32LtU])
  const locals = [...Array.from({ length: 6 + 2 * obliqueGroup }, () => i32), f64]
  return { name: 'walk', params: 5, locals, body }
}

/** The bytes of all trees for the walk. @param laneBytes bytes between two lanes of the tile */
export function layObliqueForest(forest: ObliqueForest, laneBytes: number): Uint8Array<ArrayBuffer> {
  const nodeBytes = obliqueNodeBytes(forest.columns)
  const treeBytes = (nodes: number) => headBytes + nodes * (nodeBytes + 8)
  const nodesOf = (t: number) => (forest.offsets[t + 1] as number) - (forest.offsets[t] as number)
  let total = 0
  for (let t = 0; t < forest.trees; t++) total += treeBytes(nodesOf(t))
  const bytes = new Uint8Array(total)
  const lengths = averagePathLengths(forest.psi)
  let start = 0
  for (let t = 0; t < forest.trees; t++) {
    layTree(bytes.buffer, start, forest, t, lengths, laneBytes)
    start += treeBytes(nodesOf(t))
  }
  return bytes
}

function layTree(
  buffer: ArrayBuffer,
  start: number,
  { rangePenalty, ...forest }: ObliqueForest,
  t: number,
  lengths: Float64Array,
  laneBytes: number,
): void {
  const { columns, features, weights, thresholds, widths, links } = obliqueTreeOf({ rangePenalty, ...forest }, t)
  const count = thresholds.length
  const nodeBytes = obliqueNodeBytes(columns)
  const head = new Int32Array(buffer, start, 3)
  const words = new Int32Array(buffer, start + headBytes, (nodeBytes / 4) * count)
  const doubles = new Float64Array(buffer, start + headBytes, (nodeBytes / 8 + 1) * count)
  const levels = new Uint8Array(count)
  // `order[i]` is the node at place i; siblings lie side by side, in the order in which their parents come.
  const order = new Uint32Array(count)
  let laid = 1
  for (let i = 0; i < count; i++) {
    const node = order[i] as number
    const at = node * columns
    const [word, double] = [(nodeBytes / 4) * i, (nodeBytes / 8) * i]
    if ((features[at] as number) < 0) {
      doubles[double] = Number.POSITIVE_INFINITY
      doubles[double + 1] = -1
      words[word + 7] = nodeBytes * i
      doubles[(nodeBytes / 8) * count + i] = lengths[links[node] as number] as number
      continue
    }
    doubles[double] = thresholds[node] as number
    doubles[double + 1] = rangePenalty && i > 0 ? (widths[node] as number) : Number.POSITIVE_INFINITY
    for (let c = 0; c < columns; c++) {
      doubles[double + 2 + 2 * c] = weights[at + c] as number
      words[word + 6 + 4 * c] = (features[at + c] as number) * laneBytes
    }
    words[word + 7] = nodeBytes * laid
    const below = (levels[i] as number) + 1
    levels[laid] = levels[laid + 1] = below
    order[laid++] = node + 1
    order[laid++] = links[node] as number
  }
  head.set([nodeBytes * count, headBytes + count * (nodeBytes + 8), Math.max(1, levels[count - 1] as number)])
}

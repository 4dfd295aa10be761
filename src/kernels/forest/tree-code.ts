/**
 * `buildTree` as WebAssembly: the same random numbers in the same order, the same nodes to the bit, in a quarter of the time. Nothing
 * in it takes a branch that the values decide, but which child is a leaf.
 *
 * Rows are the byte offsets of their values in a lane. Those of a node lie side by side in one of two lists, by its depth; dividing
 * them writes both sides to the other list, from both ends, where the node's place is free. So no row is read again that was
 * just written, which would wait for it.
 */
import { randomCode, randomLocals } from '../sampling/index.ts'
import {
  type Code,
  constant,
  constantF64,
  constantF64x2,
  either,
  f64,
  get,
  halfF64x2,
  i32,
  joined,
  loadF64,
  loadF64Twice,
  loadI32,
  maxF64x2,
  op,
  repeatWhile,
  set,
  storeF64,
  storeI32,
  tee,
  v128,
  type WasmFunction,
  when,
  xorV128,
} from '../wasm/index.ts'

/** Where the four words of the random state lie. */
export const stateStart = 0
/** Where the number of nodes is left. */
export const countStart = 16
/** Right children that are still to come, the next one last: begin and end of its rows, depth, constants, address of the parent's link. */
const pendingStart = 32
const pendingBytes = 20
/** Deepest tree whose pending children there is room for. */
const deepestLimit = 32
/** First byte behind all that. */
export const frameEnd = pendingStart + deepestLimit * pendingBytes

/**
 * Parameters, byte addresses but where told: the lanes, bytes from one to the next, the candidates (int32 each, reordered), their
 * number, the depth limit, the first list of rows, bytes of a list (4 a row; the second one follows), and, one entry per node, the
 * thresholds (float64), features and links (int32 each).
 */
const [lanes, laneBytes, order, candidates, depthLimit] = [0, 1, 2, 3, 4] as const
const [rowsStart, listBytes, thresholds, features, links] = [5, 6, 7, 8, 9] as const

/** Locals: those of the random numbers, then what the node at hand has. */
const { load: loadState, nextWord, word, nextFloat } = randomCode(10)
/** Begin and end of a node's rows in its list, in bytes; its depth; how many candidates are known to be constant in it. */
const [from, to, depth, constants] = [16, 17, 18, 19] as const
/** The node's list and the other one; its feature, and where that stands among the candidates; its lane. */
const [list, other, feature, place, lane] = [20, 21, 22, 23, 24] as const
const [at, end, row, left, right, isLeft, pending, nodes] = [25, 26, 27, 28, 29, 30, 31, 32] as const
const [least, most, share, threshold] = [33, 34, 35, 36] as const
const [extremes, others, flip] = [37, 38, 39] as const
const locals = [
  ...Array.from({ length: randomLocals + 17 }, () => i32),
  ...Array.from({ length: 4 }, () => f64),
  ...Array.from({ length: 3 }, () => v128),
]

const increase = (local: number, by: number) => [...get(local), ...constant(by), op.i32Add, ...set(local)]
const plus = (...locals: readonly number[]): Code =>
  locals.flatMap((local, i) => (i === 0 ? get(local) : [...get(local), op.i32Add]))

/** Sets `place` to one of the candidates not known to be constant: `nextInt` of their number, behind the constants. */
const drawPlace: Code = [
  ...[...nextWord, ...get(candidates), ...get(constants), op.i32Sub, ...set(end)],
  // Words past the last full multiple, as in `nextInt`; how many these are is found out only where there can be any.
  ...when(
    [...get(word), ...constant(-1), ...get(end), op.i32Sub, op.i32GtU],
    [
      ...[...constant(-1), ...constant(0), ...get(end), op.i32Sub, ...get(end), op.i32RemU, op.i32Sub, ...set(at)],
      ...repeatWhile(when([...get(word), ...get(at), op.i32GtU], nextWord), [...get(word), ...get(at), op.i32GtU]),
    ],
  ),
  ...[...get(word), ...get(end), op.i32RemU, ...get(constants), op.i32Add, ...constant(2), op.i32Shl],
  ...[...get(order), op.i32Add, ...set(place)],
]

/** A row's value and its negative, at the list's place that `address` leaves. */
const valueTwice = (address: Code, offset = 0): Code => [
  ...[...address, ...loadI32(offset), ...get(lane), op.i32Add, ...loadF64Twice(0), ...get(flip), ...xorV128],
]

/** Sets `least` and `most` among the node's two or more rows: the greatest of all values and of their negatives, two rows at a time. */
const findExtremes: Code = [
  ...[...get(feature), ...get(laneBytes), op.i32Mul, ...get(lanes), op.i32Add, ...set(lane)],
  ...[...plus(list, to), ...set(end), ...plus(list, from), ...set(at)],
  ...[...valueTwice(get(at)), ...tee(extremes), ...set(others)],
  // Of an odd number the first row is done.
  ...[...get(at), ...get(to), ...get(from), op.i32Sub, ...constant(4), op.i32And, op.i32Add, ...set(at)],
  ...repeatWhile(
    [
      ...[...get(extremes), ...valueTwice(get(at)), ...maxF64x2, ...set(extremes)],
      ...[...get(others), ...valueTwice(get(at), 4), ...maxF64x2, ...set(others)],
      ...increase(at, 8),
    ],
    [...get(at), ...get(end), op.i32LtU],
  ),
  ...[...get(extremes), ...get(others), ...maxF64x2, ...tee(extremes), ...halfF64x2(0), ...set(most)],
  ...[...get(extremes), ...halfF64x2(1), op.f64Neg, ...set(least)],
]

/** Draws features until one varies among the node's rows: it is `feature` then, else that is -1. */
const drawFeature: Code = [
  ...[...drawPlace, ...get(place), ...loadI32(0), ...set(feature), ...findExtremes],
  ...when(
    [...get(least), ...get(most), op.f64Lt, op.i32Eqz],
    [
      // What is constant here is so in all nodes below, too: it goes to the others in front.
      ...[...get(order), ...get(constants), ...constant(2), op.i32Shl, op.i32Add, ...set(at)],
      ...[...get(place), ...get(at), ...loadI32(0), ...storeI32(0)],
      ...[...get(at), ...get(feature), ...storeI32(0)],
      ...[...increase(constants, 1), ...constant(-1), ...set(feature)],
    ],
  ),
]

const hasCandidates = [...get(constants), ...get(candidates), op.i32LtU]
const isUndecided = [...get(feature), ...constant(0), op.i32LtS]

/** Sets `threshold` to a value in [least, most): `drawThreshold` of tree.ts. */
const drawThreshold: Code = [
  ...[...nextFloat, ...set(share)],
  ...[...get(least), ...constantF64(1), ...get(share), op.f64Sub, op.f64Mul],
  ...[...get(most), ...get(share), op.f64Mul, op.f64Add, ...set(threshold)],
  ...[...get(threshold), ...get(least), ...constantF64(0), op.f64Add],
  ...[...get(threshold), ...get(least), op.f64Ge, ...get(threshold), ...get(most), op.f64Lt, op.i32And],
  ...[op.select, ...set(threshold)],
]

/** Writes the node's rows to the other list, those at or below the threshold from the left; `left` is where the others begin. */
const divide: Code = [
  ...[...plus(list, from), ...set(at), ...plus(list, to), ...set(end)],
  ...[...plus(other, from), ...set(left), ...plus(other, to), ...constant(4), op.i32Sub, ...set(right)],
  ...repeatWhile(
    [
      ...[...get(at), ...loadI32(0), ...set(row)],
      ...[...get(left), ...get(row), ...storeI32(0), ...get(right), ...get(row), ...storeI32(0)],
      ...[...plus(lane, row), ...loadF64(0), ...get(threshold), op.f64Le, ...constant(2), op.i32Shl, ...tee(isLeft)],
      ...[...get(left), op.i32Add, ...set(left)],
      // One of the two moves by a row, the other not at all.
      ...[...get(right), ...constant(4), op.i32Sub, ...get(isLeft), op.i32Add, ...set(right)],
      ...increase(at, 4),
    ],
    [...get(at), ...get(end), op.i32LtU],
  ),
  ...[...get(left), ...get(other), op.i32Sub, ...set(left)],
]

const inner: Code = [
  ...[...drawThreshold, ...get(thresholds), ...get(threshold), ...storeF64(0), ...divide],
  // The left child is next.
  ...[...get(pending), ...get(left), ...storeI32(0), ...get(pending), ...get(to), ...storeI32(4)],
  ...[...increase(depth, 1), ...get(pending), ...get(depth), ...storeI32(8)],
  ...[...get(pending), ...get(constants), ...storeI32(12), ...get(pending), ...get(links), ...storeI32(16)],
  ...[...increase(pending, pendingBytes), ...get(left), ...set(to)],
]

const hasPending = [...get(pending), ...constant(pendingStart - 1), op.i32GtU]

const leaf: Code = [
  ...[...get(thresholds), ...constantF64(0), ...storeF64(0)],
  ...[...get(links), ...get(to), ...get(from), op.i32Sub, ...constant(2), op.i32ShrU, ...storeI32(0)],
  ...increase(pending, -pendingBytes),
  ...when(hasPending, [
    ...[...get(pending), ...loadI32(0), ...set(from), ...get(pending), ...loadI32(4), ...set(to)],
    ...[...get(pending), ...loadI32(8), ...set(depth), ...get(pending), ...loadI32(12), ...set(constants)],
    // The parent's link is the number of the node that is next.
    ...[...get(pending), ...loadI32(16), ...get(nodes), ...storeI32(0)],
  ]),
]

/** Rows 0, 1, … as byte offsets, in the first list. */
const listRows: Code = [
  ...[...get(rowsStart), ...set(at), ...constant(0), ...set(row)],
  ...repeatWhile(
    [...[...get(at), ...get(row), ...storeI32(0)], ...increase(at, 4), ...increase(row, 8)],
    [...get(at), ...plus(rowsStart, listBytes), op.i32LtU],
  ),
]

/** The lists of this depth and of the next. */
const chooseLists: Code = [
  ...[...get(depth), ...constant(1), op.i32And, ...get(listBytes), op.i32Mul],
  ...[...get(rowsStart), op.i32Add, ...set(list)],
  ...[...plus(rowsStart, rowsStart, listBytes), ...get(list), op.i32Sub, ...set(other)],
]

/** Whether the node may have children, were there a feature that varies. */
const mayGrow = [
  ...[...get(depth), ...get(depthLimit), op.i32LtU],
  ...[...get(to), ...get(from), op.i32Sub, ...constant(4), op.i32GtU, op.i32And, ...hasCandidates, op.i32And],
]

const node: Code = joined(
  [...increase(nodes, 1), ...constant(-1), ...set(feature), ...chooseLists],
  when(mayGrow, repeatWhile(drawFeature, [...isUndecided, ...hasCandidates, op.i32And])),
  [...get(features), ...get(feature), ...storeI32(0)],
  either(isUndecided, leaf, inner),
  [...increase(thresholds, 8), ...increase(features, 4), ...increase(links, 4)],
)

/** Grows a tree from the state of its random numbers on; node after node, in preorder. */
export function treeGrowth(): WasmFunction {
  const body = joined(
    loadState(stateStart),
    [...constantF64x2(0, -0), ...set(flip), ...constant(pendingStart), ...set(pending)],
    [...listRows, ...get(listBytes), ...set(to)],
    repeatWhile(node, hasPending),
    [...constant(countStart), ...get(nodes), ...storeI32(0)],
  )
  return { name: 'grow', params: 10, locals, body }
}

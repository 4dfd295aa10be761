/**
 * `buildTree` as WebAssembly: the same random numbers in the same order, the same nodes to the bit, in a quarter of the time. Nothing
 * in it takes a branch that the values decide, but which child is a leaf.
 *
 * Rows are the byte offsets of their values in a column. Those of a node lie side by side in one of two lists, by its depth; dividing
 * them writes both sides to the other list, from both ends, where the node's place is free. So no row is read again that was
 * just written, which would wait for it.
 */
import {
  add,
  after,
  and,
  type Body,
  compile,
  createMemory,
  declare,
  defineFunction,
  doubles,
  type Expression,
  ge,
  growTo,
  gt,
  half,
  increase,
  int,
  isNegative,
  type Local,
  le,
  load,
  loadSplat,
  lt,
  max,
  mul,
  neg,
  not,
  rem,
  repeatWhile,
  rotl,
  select,
  set,
  shl,
  shr,
  store,
  sub,
  tee,
  times,
  toFloat,
  type WasmFunction,
  when,
  xor,
} from '../wasm/index.ts'
import { buildTree, maxNodes, type Tree, type TreeOptions } from './tree.ts'

/** Where the four words of the random state lie. */
const stateStart = 0
/** Where the number of nodes is left. */
const countStart = 16
/** Right children that are still to come, the next one last: begin and end of its rows, depth, constants, address of the parent's link. */
const pendingStart = 32
const pendingBytes = 20
/** Deepest tree whose pending children there is room for. */
const deepestLimit = 32
/** First byte behind all that. */
const frameEnd = pendingStart + deepestLimit * pendingBytes

/**
 * The parameters are byte addresses but where told: the columns, bytes from one to the next, the candidates (int32 each, reordered),
 * their number, the depth limit, the first list of rows, bytes of a list (4 a row; the second one follows), and, one entry per node,
 * the thresholds (float64), features and links (int32 each).
 */
const frame = declare(
  {
    ...{ columns: 'i32', columnBytes: 'i32', order: 'i32', candidates: 'i32', depthLimit: 'i32' },
    ...{ rowsStart: 'i32', listBytes: 'i32', thresholds: 'i32', features: 'i32', links: 'i32' },
  },
  {
    // Of the random numbers: the state, the last word drawn, and what it is drawn with.
    ...{ state: ['i32', 4], word: 'i32', shifted: 'i32' },
    // Begin and end of a node's rows in its list, in bytes; its depth; how many candidates are known to be constant in it.
    ...{ from: 'i32', to: 'i32', depth: 'i32', constants: 'i32' },
    // The node's list and the other one; its feature, and where that stands among the candidates; its column.
    ...{ list: 'i32', other: 'i32', feature: 'i32', place: 'i32', column: 'i32' },
    ...{ at: 'i32', end: 'i32', row: 'i32', left: 'i32', right: 'i32', isLeft: 'i32', pending: 'i32', nodes: 'i32' },
    ...{ low: 'f64', high: 'f64', share: 'f64', threshold: 'f64' },
    ...{ extremes: 'f64x2', others: 'f64x2', flip: 'f64x2' },
  },
)
const { columns, columnBytes, order, candidates, depthLimit, rowsStart, listBytes } = frame.variables
const { thresholds, features, links, from, to, depth, constants, list, other, feature, place, column } = frame.variables
const { at, end, row, left, right, isLeft, pending, nodes } = frame.variables
const { low, high, share, threshold, extremes, others, flip } = frame.variables
const { state, word, shifted } = frame.variables
const [a, b, c, d] = [state(0), state(1), state(2), state(3)]

const xorInto = (local: Local<'i32'>, by: Local<'i32'>) => set(local, xor(local, by))
/** Draws the next word into `word`: xoshiro128**, as `Random.nextUint32` does. */
const nextWord: Body = [
  set(word, mul(rotl(mul(b, 5), 7), 9)),
  set(shifted, shl(b, 9)),
  ...[xorInto(c, a), xorInto(d, b), xorInto(b, c), xorInto(a, d), xorInto(c, shifted)],
  set(d, rotl(d, 11)),
]
const upperBits = (dropped: number, unit: number) => after(nextWord, mul(toFloat(shr(word, dropped)), unit))
/** What `Random.nextFloat` would return. */
const nextFloat = add(upperBits(5, 2 ** -27), upperBits(6, 2 ** -53))

/** Sets `place` to the address of a candidate that is not known to be constant: `Random.nextInt`. */
const drawPlace: Body = [
  nextWord,
  set(end, sub(candidates, constants)),
  // Words past the last full multiple are drawn again; how many these are is found out only where there can be any.
  when(gt(word, sub(-1, end)), [
    set(at, sub(-1, rem(sub(0, end), end))),
    repeatWhile(gt(word, at), when(gt(word, at), nextWord)),
  ]),
  set(place, add(shl(add(rem(word, end), constants), 2), order)),
]

/** The value of the row in the list at `address`, and its negative. */
const valueTwice = (address: Local<'i32'>, offset = 0): Expression<'f64x2'> =>
  xor(loadSplat('f64x2', add(load('i32', address, offset), column)), flip)

/** Sets `low` and `high` among the node's two or more rows: the largest of all values and of their negatives, two rows at a time. */
const findExtremes: Body = [
  set(column, add(mul(feature, columnBytes), columns)),
  set(end, add(list, to)),
  set(at, add(list, from)),
  set(others, tee(extremes, valueTwice(at))),
  // Of an odd number the first row is done.
  set(at, add(at, and(sub(to, from), 4))),
  repeatWhile(lt(at, end), [
    set(extremes, max(extremes, valueTwice(at))),
    set(others, max(others, valueTwice(at, 4))),
    increase(at, 8),
  ]),
  set(high, half(tee(extremes, max(extremes, others)), 0)),
  set(low, neg(half(extremes, 1))),
]

/** Draws a feature: `feature` when it varies among the node's rows, else that is -1. */
const drawFeature: Body = [
  drawPlace,
  set(feature, load('i32', place)),
  findExtremes,
  when(not(lt(low, high)), [
    // What is constant here is so in all nodes below, too: it goes to the others in front.
    set(at, add(order, shl(constants, 2))),
    store('i32', place, load('i32', at)),
    store('i32', at, feature),
    increase(constants, 1),
    set(feature, -1),
  ]),
]

const hasCandidates = lt(constants, candidates)
const isUndecided = isNegative(feature)

/** Sets `threshold` to a value in [low, high): `drawThreshold` of tree.ts. */
const drawThreshold: Body = [
  set(share, nextFloat),
  set(threshold, add(mul(low, sub(1, share)), mul(high, share))),
  set(threshold, select(threshold, add(low, 0), and(ge(threshold, low), lt(threshold, high)))),
]

/** Writes the node's rows to the other list, those at or below the threshold from the left; `left` is where the others begin. */
const divide: Body = [
  set(at, add(list, from)),
  set(end, add(list, to)),
  set(left, add(other, from)),
  set(right, sub(add(other, to), 4)),
  repeatWhile(lt(at, end), [
    set(row, load('i32', at)),
    store('i32', left, row),
    store('i32', right, row),
    // One of the two moves by a row, the other not at all.
    set(left, add(tee(isLeft, shl(le(load('f64', add(column, row)), threshold), 2)), left)),
    set(right, add(sub(right, 4), isLeft)),
    increase(at, 4),
  ]),
  set(left, sub(left, other)),
]

const inner: Body = [
  drawThreshold,
  store('f64', thresholds, threshold),
  divide,
  // The left child is next.
  store('i32', pending, left),
  store('i32', pending, to, 4),
  increase(depth, 1),
  store('i32', pending, depth, 8),
  store('i32', pending, constants, 12),
  store('i32', pending, links, 16),
  increase(pending, pendingBytes),
  set(to, left),
]

const hasPending = gt(pending, pendingStart - 1)

const leaf: Body = [
  store('f64', thresholds, 0),
  store('i32', links, shr(sub(to, from), 2)),
  increase(pending, -pendingBytes),
  when(hasPending, [
    set(from, load('i32', pending)),
    set(to, load('i32', pending, 4)),
    set(depth, load('i32', pending, 8)),
    set(constants, load('i32', pending, 12)),
    // The parent's link is the number of the node that is next.
    store('i32', load('i32', pending, 16), nodes),
  ]),
]

/** Rows 0, 1, … as byte offsets, in the first list. */
const listRows: Body = [
  set(at, rowsStart),
  set(row, 0),
  repeatWhile(lt(at, add(rowsStart, listBytes)), [store('i32', at, row), increase(at, 4), increase(row, 8)]),
]

/** The lists of this depth and of the next. */
const chooseLists: Body = [
  set(list, add(mul(and(depth, 1), listBytes), rowsStart)),
  set(other, sub(add(add(rowsStart, rowsStart), listBytes), list)),
]

/** Whether the node may have children, were there a feature that varies. */
const mayGrow = and(and(lt(depth, depthLimit), gt(sub(to, from), 4)), hasCandidates)

const node: Body = [
  increase(nodes, 1),
  set(feature, -1),
  chooseLists,
  when(mayGrow, repeatWhile(and(isUndecided, hasCandidates), drawFeature)),
  store('i32', features, feature),
  when(isUndecided, leaf, inner),
  increase(thresholds, 8),
  increase(features, 4),
  increase(links, 4),
]

/** Grows a tree from the state of its random numbers on; node after node, in preorder. */
export function treeGrowth(): WasmFunction {
  const body = [
    times(4, (i) => set(state(i), load('i32', int(stateStart + 4 * i)))),
    set(flip, doubles(0, -0)),
    set(pending, pendingStart),
    listRows,
    set(to, listBytes),
    repeatWhile(hasPending, node),
    store('i32', int(countStart), nodes),
  ]
  return defineFunction('grow', frame, body)
}

/** Samples beyond are not copied to the kernel's memory, which stays with the thread. */
const maxBytes = 16 * 2 ** 20

function openGrowth() {
  const memory = createMemory()
  return { memory, grow: compile(treeGrowth(), memory) }
}

/** The compiled growth of this thread, with a memory that only grows. */
let growth: ReturnType<typeof openGrowth> | undefined

/**
 * Grows the tree that `buildTree` builds, to the bit, in a quarter of the time: by compiled code, in the memory of this thread.
 * @param options `random` stays where it is
 * @returns views of that memory, one entry per node, good until the next tree is grown on this thread
 * @throws RangeError where the memory cannot grow
 */
export function growTree(options: TreeOptions): Tree {
  const { sample, candidates, depthLimit, random } = options
  const { values, size, filled } = sample
  const max = maxNodes(filled, depthLimit)
  const thresholds = frameEnd
  const features = thresholds + 8 * max
  const links = features + 4 * max
  const order = links + 4 * max
  const rows = order + 4 * candidates.length
  const columns = Math.ceil((rows + 8 * filled) / 8) * 8
  const bytes = columns + values.byteLength
  if (bytes > maxBytes) return buildTree(options)
  growth ??= openGrowth()
  const { memory, grow } = growth
  growTo(memory, bytes)
  const { buffer } = memory
  new Int32Array(buffer, stateStart, 4).set(random.state())
  new Int32Array(buffer, order, candidates.length).set(candidates)
  new Float64Array(buffer, columns, values.length).set(values)
  grow(columns, 8 * size, order, candidates.length, depthLimit, rows, 4 * filled, thresholds, features, links)
  const nodes = new Int32Array(buffer, countStart, 1)[0] as number
  return {
    thresholds: new Float64Array(buffer, thresholds, nodes),
    features: new Int32Array(buffer, features, nodes),
    links: new Uint32Array(buffer, links, nodes),
  }
}

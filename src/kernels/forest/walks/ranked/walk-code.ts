/**
 * The second half of the ranked walk as WebAssembly. Sixteen rows lie in the lanes of a vector, a byte each, and every
 * node of a tree is looked at, from the leaves up, without a branch that depends on the data. Leaves are numbered from left
 * to right, so that the leaf below a node is max(left, right where rank > the node's rank else 0): what the right side
 * gives is always more.
 * Path lengths are looked up by leaf number and added in the order of the trees, as `addPathLengths` does.
 *
 * A byte numbers 256 leaves. A tree of more is cut below its root into pieces that have no more, each with numbers of its
 * own; above them a node selects the number of its left or right side, and the number of the piece is found like a leaf's.
 *
 * This is an interpreter of trees: one operation is done for all rows of a tile before the next, which hides the cost
 * of finding out what it is.
 */
import {
  add,
  and,
  choose,
  declare,
  defineFunction,
  type Expression,
  gt,
  increase,
  type Local,
  load,
  loadSplat,
  lt,
  max,
  or,
  repeatWhile,
  selectBits,
  set,
  shl,
  store,
  sub,
  times,
  type WasmFunction,
} from '../../../wasm/index.ts'

/** Vectors one after the other without a look at the end. */
const unrolled = 4
/** Rows are walked in multiples of this. */
export const vectorRows = 16 * unrolled

/** Trees whose path lengths are added together. */
export const treesTogether = 4

/**
 * What a side of an operation is: a leaf; a node whose sides are leaves or nodes with two leaves ("pairs"); or a slot with the leaf
 * numbers of a larger subtree. What is no slot is found out within the operation, neither stored nor loaded: a comparison for each of its nodes.
 */
export const sides = ['leaf', 'pair', 'pairAndLeaf', 'leafAndPair', 'twoPairs', 'slot'] as const
export type Side = (typeof sides)[number]

/** What a side above the pieces is. */
const selectedSides = ['leaf', 'pair', 'slot'] as const satisfies readonly Side[]
export type SelectedSide = (typeof selectedSides)[number]

/** The kind of an operation, from 0. */
export function kindOf(left: Side, right: Side): number {
  return sides.length * sides.indexOf(left) + sides.indexOf(right)
}

/** The kind of an operation above the pieces, where the greater number is not always the right side's. */
export function selectionKindOf(left: SelectedSide, right: SelectedSide): number {
  return sides.length ** 2 + selectedSides.length * selectedSides.indexOf(left) + selectedSides.indexOf(right)
}

/** Nodes of a side that is no slot: itself, and the pairs below it. */
const nodesOf = { leaf: 0, pair: 1, pairAndLeaf: 2, leafAndPair: 2, twoPairs: 3 } as const
const sideNodes = 3

/**
 * An operation is 48 bytes: its kind, the address of the ranks of the node's feature, for each side the address of its slot
 * or of the ranks of the features of its nodes, in preorder, and the address of the result (int32 each); then as bytes the node's rank, and for
 * each side its first leaf, the first leaf right of its own node, and the ranks of its nodes.
 */
export const operationBytes = 48
export const operationPlaces = {
  kind: 0,
  ranks: 4,
  sides: [8, 20],
  result: 32,
  rank: 36,
  leaves: [37, 42],
  rightLeaves: [38, 43],
  sideRanks: [39, 44],
} as const

const selectFrame = () =>
  declare(
    { at: 'i32', end: 'i32', rows: 'i32' },
    {
      ...{ done: 'i32', ranks: 'i32', result: 'i32' },
      ...{ leftAddresses: ['i32', sideNodes], rightAddresses: ['i32', sideNodes] },
      ...{ rank: 'i8x16', leftLeaf: 'i8x16', rightLeaf: 'i8x16', leftInnerLeaf: 'i8x16', rightInnerLeaf: 'i8x16' },
      ...{ leftRanks: ['i8x16', sideNodes], rightRanks: ['i8x16', sideNodes] },
    },
  )
type SelectVariables = ReturnType<typeof selectFrame>['variables']

const isGreater = (values: Local<'i32'>, than: Local<'i8x16'>, u: number) => gt(load('i8x16', values, 16 * u), than)

/** Code for one side of an operation: 0 is the left one. */
function sideCode(variables: SelectVariables, side: Side, s: 0 | 1) {
  const { at } = variables
  const { leftAddresses, leftLeaf, leftInnerLeaf, leftRanks } = variables
  const { rightAddresses, rightLeaf, rightInnerLeaf, rightRanks } = variables
  const [address, rank] = s === 0 ? [leftAddresses, leftRanks] : [rightAddresses, rightRanks]
  const [leaf, innerLeaf] = s === 0 ? [leftLeaf, leftInnerLeaf] : [rightLeaf, rightInnerLeaf]
  const places = operationPlaces
  const nodes = side === 'slot' ? 0 : nodesOf[side]
  /** Addresses of ranks or of leaf numbers, which go on with the rows. */
  const addresses = Array.from({ length: side === 'slot' ? 1 : nodes }, (_, n) => address(n))

  const prepare = [
    addresses.map((local, n) => set(local, load('i32', at, places.sides[s] + 4 * n))),
    side === 'slot' ? [] : set(leaf, loadSplat('i8x16', at, places.leaves[s])),
    nodes > 1 ? set(innerLeaf, loadSplat('i8x16', at, places.rightLeaves[s])) : [],
    times(nodes, (n) => set(rank(n), loadSplat('i8x16', at, places.sideRanks[s] + n))),
  ]

  /** The leaf numbers of the rows of vector u. */
  function leafBelow(u: number): Expression<'i8x16'> {
    const isRight = (n: number) => isGreater(address(n), rank(n), u)
    // All ones are -1: the right leaf of a pair has the next number.
    const pair = (first: Expression<'i8x16'>, n: number) => sub(first, isRight(n))
    const greater = (left: Expression<'i8x16'>, right: Expression<'i8x16'>) => max(left, and(right, isRight(0)))
    switch (side) {
      case 'leaf':
        return leaf
      case 'pair':
        return pair(leaf, 0)
      case 'pairAndLeaf':
        return greater(pair(leaf, 1), innerLeaf)
      case 'leafAndPair':
        return greater(leaf, pair(innerLeaf, 1))
      case 'twoPairs':
        return greater(pair(leaf, 1), pair(innerLeaf, 2))
      case 'slot':
        return load('i8x16', address(0), 16 * u)
    }
  }
  return { addresses, prepare, leafBelow }
}

/** Does the operations from `at` to `end` for as many rows, a multiple of `vectorRows`, as the third parameter says. */
export function selectLeaves(): WasmFunction {
  const frame = selectFrame()
  const { at, end, rows, done, ranks, result, rank } = frame.variables
  type Combine = (left: Expression<'i8x16'>, right: Expression<'i8x16'>, isRight: Expression<'i8x16'>) => typeof left
  const operation = (leftSide: Side, rightSide: Side, combine: Combine) => {
    const [left, right] = [sideCode(frame.variables, leftSide, 0), sideCode(frame.variables, rightSide, 1)]
    const number = (u: number) => combine(left.leafBelow(u), right.leafBelow(u), isGreater(ranks, rank, u))
    return [
      set(ranks, load('i32', at, operationPlaces.ranks)),
      set(result, load('i32', at, operationPlaces.result)),
      set(rank, loadSplat('i8x16', at, operationPlaces.rank)),
      left.prepare,
      right.prepare,
      set(done, 0),
      repeatWhile(lt(done, rows), [
        times(unrolled, (u) => store('i8x16', result, number(u), 16 * u)),
        [ranks, result, done, ...left.addresses, ...right.addresses].map((local) => increase(local, vectorRows)),
      ]),
    ]
  }
  // In the order of their kinds.
  const operations = sides.flatMap((left) =>
    sides.map((right) => operation(left, right, (below, above, isRight) => max(below, and(above, isRight)))),
  )
  const selections = selectedSides.flatMap((left) =>
    selectedSides.map((right) => operation(left, right, (below, above, isRight) => selectBits(above, below, isRight))),
  )
  const body = repeatWhile(lt(at, end), [
    choose(load('i32', at, operationPlaces.kind), [...operations, ...selections]),
    increase(at, operationBytes),
  ])
  return defineFunction('select', frame, body)
}

/**
 * Adds path lengths to the sums from `at` to `end`: for each of `treesTogether` trees the entry of its table (float64 each) at the
 * leaf number that it has for the row (a byte each, `stride` bytes between two trees).
 *
 * @param hasPieces the numbers of pieces follow on the leaf numbers of all trees, and a table has 256 entries for each piece
 */
export function addLeafValues(hasPieces: boolean): WasmFunction {
  const rows = 4
  const numbers = hasPieces ? 2 * treesTogether : treesTogether
  const frame = declare(
    { at: 'i32', end: 'i32', leaves: 'i32', stride: 'i32', tables: ['i32', treesTogether] },
    { number: ['i32', numbers] },
  )
  const { at, end, leaves, stride, tables, number } = frame.variables
  const numberOf = (t: number, k: number) => {
    const leaf = load('u8', number(t), k)
    return hasPieces ? or(leaf, shl(load('u8', number(treesTogether + t), k), 8)) : leaf
  }
  const pathLength = (t: number, k: number) => load('f64', add(tables(t), shl(numberOf(t, k), 3)))
  const sumOf = (k: number) => {
    let sum = load('f64', at, 8 * k)
    for (let t = 0; t < treesTogether; t++) sum = add(sum, pathLength(t, k))
    return sum
  }
  return defineFunction('add', frame, [
    times(numbers, (n) => set(number(n), n === 0 ? leaves : add(number(n - 1), stride))),
    repeatWhile(lt(at, end), [
      times(rows, (k) => store('f64', at, sumOf(k), 8 * k)),
      times(numbers, (n) => increase(number(n), rows)),
      increase(at, 8 * rows),
    ]),
  ])
}

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
  andV128,
  type Code,
  choose,
  constant,
  forEach,
  get,
  gtI8x16,
  i32,
  loadF64,
  loadI8Everywhere,
  loadI8x16,
  loadI32,
  loadU8,
  maxU8x16,
  op,
  repeatWhile,
  selectBits,
  set,
  storeF64,
  storeI8x16,
  subI8x16,
  v128,
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

const increase = (local: number, bytes: number): Code => [...get(local), ...constant(bytes), op.i32Add, ...set(local)]

/** Does the operations at [0, 1) for as many rows, a multiple of `vectorRows`, as parameter 2 says. */
export function selectLeaves(): WasmFunction {
  const [at, end, rows, done, ranks, result] = [0, 1, 2, 3, 4, 5] as const
  const [addresses, rank] = [[6, 6 + sideNodes], 6 + 2 * sideNodes] as const
  const [leaf, rightLeaf] = [
    [rank + 1, rank + 2],
    [rank + 3, rank + 4],
  ] as const
  const sideRanks = [rank + 5, rank + 5 + sideNodes] as const
  const { kind, ...places } = operationPlaces
  const word = (offset: number, local: number): Code => [...get(at), ...loadI32(offset), ...set(local)]
  const byte = (offset: number, local: number): Code => [...get(at), ...loadI8Everywhere(offset), ...set(local)]
  const isGreater = (values: number, than: number, u: number): Code => [
    ...[...get(values), ...loadI8x16(16 * u), ...get(than), ...gtI8x16],
  ]
  const leafBelow = (side: Side, s: 0 | 1, u: number): Code => {
    const isRight = (n: number) => isGreater(addresses[s] + n, sideRanks[s] + n, u)
    // All ones are -1: the right leaf of a pair has the next number.
    const pair = (first: Code, n: number): Code => [...first, ...isRight(n), ...subI8x16]
    const [left, right] = [get(leaf[s]), get(rightLeaf[s])]
    const greater = (below: Code, above: Code): Code => [...below, ...above, ...isRight(0), ...andV128, ...maxU8x16]
    switch (side) {
      case 'leaf':
        return left
      case 'pair':
        return pair(left, 0)
      case 'pairAndLeaf':
        return greater(pair(left, 1), right)
      case 'leafAndPair':
        return greater(left, pair(right, 1))
      case 'twoPairs':
        return greater(pair(left, 1), pair(right, 2))
      case 'slot':
        return [...get(addresses[s]), ...loadI8x16(16 * u)]
    }
  }
  const addressesOf = (side: Side, s: 0 | 1): number[] =>
    Array.from({ length: side === 'slot' ? 1 : nodesOf[side] }, (_, n) => addresses[s] + n)
  const prepare = (side: Side, s: 0 | 1): Code => [
    ...addressesOf(side, s).flatMap((local, n) => word(places.sides[s] + 4 * n, local)),
    ...(side === 'slot'
      ? []
      : [
          ...byte(places.leaves[s], leaf[s]),
          ...(nodesOf[side] > 1 ? byte(places.rightLeaves[s], rightLeaf[s]) : []),
          ...forEach(nodesOf[side], (n) => byte(places.sideRanks[s] + n, sideRanks[s] + n)),
        ]),
  ]
  const operation = (left: Side, right: Side, select: (u: number) => Code): Code => [
    ...[...word(places.ranks, ranks), ...word(places.result, result), ...byte(places.rank, rank)],
    ...[...prepare(left, 0), ...prepare(right, 1), ...constant(0), ...set(done)],
    ...repeatWhile(
      [
        ...forEach(unrolled, (u) => [...get(result), ...select(u), ...storeI8x16(16 * u)]),
        ...[ranks, result, done, ...addressesOf(left, 0), ...addressesOf(right, 1)].flatMap((local) =>
          increase(local, vectorRows),
        ),
      ],
      [...get(done), ...get(rows), op.i32LtU],
    ),
  ]
  // In the order of their kinds.
  const operations = sides.flatMap((left) =>
    sides.map((right) =>
      operation(left, right, (u) => [
        ...[...leafBelow(left, 0, u), ...leafBelow(right, 1, u), ...isGreater(ranks, rank, u), ...andV128, ...maxU8x16],
      ]),
    ),
  )
  const selections = selectedSides.flatMap((left) =>
    selectedSides.map((right) =>
      operation(left, right, (u) => [
        ...[...leafBelow(right, 1, u), ...leafBelow(left, 0, u), ...isGreater(ranks, rank, u), ...selectBits],
      ]),
    ),
  )
  const body = repeatWhile(
    [...choose([...get(at), ...loadI32(kind)], [...operations, ...selections]), ...increase(at, operationBytes)],
    [...get(at), ...get(end), op.i32LtU],
  )
  const locals = [
    ...Array.from({ length: 3 + 2 * sideNodes }, () => i32),
    ...Array.from({ length: 5 + 2 * sideNodes }, () => v128),
  ]
  return { name: 'select', params: 3, locals, body }
}

/**
 * Adds path lengths to the sums at [0, 1): for each of `treesTogether` trees the entry of its table (from parameter 4,
 * float64 each) at the leaf number that it has for the row (from 2, a byte each, 3 bytes between two trees).
 *
 * @param hasPieces the numbers of pieces follow on the leaf numbers of all trees, and a table has 256 entries for each piece
 */
export function addLeafValues(hasPieces: boolean): WasmFunction {
  const [at, end, leaves, stride, tables, number] = [0, 1, 2, 3, 4, 4 + treesTogether] as const
  const rows = 4
  const numbers = hasPieces ? 2 * treesTogether : treesTogether
  const numberOf = (t: number, k: number): Code => [
    ...[...get(number + t), ...loadU8(k)],
    ...(hasPieces ? [...get(number + treesTogether + t), ...loadU8(k), ...constant(8), op.i32Shl, op.i32Or] : []),
  ]
  const pathLength = (t: number, k: number): Code => [
    ...[...get(tables + t), ...numberOf(t, k), ...constant(3), op.i32Shl, op.i32Add, ...loadF64(0)],
  ]
  const body = [
    ...forEach(numbers, (n) => [
      ...(n === 0 ? get(leaves) : [...get(number + n - 1), ...get(stride), op.i32Add]),
      ...set(number + n),
    ]),
    ...repeatWhile(
      [
        ...forEach(rows, (k) => [
          ...[...get(at), ...get(at), ...loadF64(8 * k)],
          ...[...forEach(treesTogether, (t) => [...pathLength(t, k), op.f64Add]), ...storeF64(8 * k)],
        ]),
        ...forEach(numbers, (n) => increase(number + n, rows)),
        ...increase(at, 8 * rows),
      ],
      [...get(at), ...get(end), op.i32LtU],
    ),
  ]
  return { name: 'add', params: 4 + treesTogether, locals: Array.from({ length: numbers }, () => i32), body }
}

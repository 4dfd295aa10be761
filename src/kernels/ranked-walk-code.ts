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
} from './wasm.ts'

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

/** Vectors one after the other without a look at the end. */
const unrolled = 8
/** Rows are walked in multiples of this. */
export const vectorRows = 16 * unrolled

/** Trees whose path lengths are added together. */
export const treesTogether = 4

/**
 * What a side of an operation is: a leaf; a pair, which is a node with two leaves and costs one comparison; or a slot with
 * the leaf numbers of a larger subtree.
 */
export const sides = ['leaf', 'pair', 'slot'] as const
export type Side = (typeof sides)[number]

/**
 * The kind of an operation, from 0.
 * @param isSelection above the pieces, where the greater number is not always the right side's
 */
export function kindOf(left: Side, right: Side, isSelection: boolean): number {
  return (isSelection ? sides.length ** 2 : 0) + sides.length * sides.indexOf(left) + sides.indexOf(right)
}

/**
 * An operation is 32 bytes: its kind, the address of the ranks of the node's feature, for each side the address of its slot
 * or of the ranks of a pair's feature, and the address of the result (int32 each); then as bytes the node's rank, and for
 * each side its first leaf and, of a pair, the rank.
 */
export const operationBytes = 32
export const operationPlaces = {
  kind: 0,
  ranks: 4,
  sides: [8, 12],
  result: 16,
  rank: 20,
  leaves: [21, 23],
  sideRanks: [22, 24],
} as const

const increase = (local: number, bytes: number): Code => [...get(local), ...constant(bytes), op.i32Add, ...set(local)]

/** Does the operations at [0, 1) for as many rows, a multiple of `vectorRows`, as parameter 2 says. */
export function selectLeaves(): WasmFunction {
  const [at, end, rows, done, ranks, result, rank] = [0, 1, 2, 3, 4, 5, 8] as const
  const [address, leaf, sideRank] = [
    [6, 7],
    [9, 10],
    [11, 12],
  ] as const
  const { kind, ...places } = operationPlaces
  const word = (offset: number, local: number): Code => [...get(at), ...loadI32(offset), ...set(local)]
  const byte = (offset: number, local: number): Code => [...get(at), ...loadI8Everywhere(offset), ...set(local)]
  const isGreater = (values: number, than: number, u: number): Code => [
    ...[...get(values), ...loadI8x16(16 * u), ...get(than), ...gtI8x16],
  ]
  const leafBelow = (side: Side, s: 0 | 1, u: number): Code => {
    if (side === 'leaf') return get(leaf[s])
    if (side === 'slot') return [...get(address[s]), ...loadI8x16(16 * u)]
    // All ones are -1: the right leaf of a pair has the next number.
    return [...get(leaf[s]), ...isGreater(address[s], sideRank[s], u), ...subI8x16]
  }
  const prepare = (side: Side, s: 0 | 1): Code => [
    ...(side === 'leaf' ? [] : word(places.sides[s], address[s])),
    ...(side === 'slot' ? [] : byte(places.leaves[s], leaf[s])),
    ...(side === 'pair' ? byte(places.sideRanks[s], sideRank[s]) : []),
  ]
  const operation = (left: Side, right: Side, isSelection: boolean): Code => [
    ...[...word(places.ranks, ranks), ...word(places.result, result), ...byte(places.rank, rank)],
    ...[...prepare(left, 0), ...prepare(right, 1), ...constant(0), ...set(done)],
    ...repeatWhile(
      [
        ...forEach(unrolled, (u) => [
          ...get(result),
          ...(isSelection
            ? [...leafBelow(right, 1, u), ...leafBelow(left, 0, u), ...isGreater(ranks, rank, u), ...selectBits]
            : [
                ...leafBelow(left, 0, u),
                ...leafBelow(right, 1, u),
                ...isGreater(ranks, rank, u),
                ...andV128,
                ...maxU8x16,
              ]),
          ...storeI8x16(16 * u),
        ]),
        ...[ranks, result, done].flatMap((local) => increase(local, vectorRows)),
        ...(left === 'leaf' ? [] : increase(address[0], vectorRows)),
        ...(right === 'leaf' ? [] : increase(address[1], vectorRows)),
      ],
      [...get(done), ...get(rows), op.i32LtU],
    ),
  ]
  // In the order of `kindOf`.
  const operations = [false, true].flatMap((isSelection) =>
    sides.flatMap((left) => sides.map((right) => operation(left, right, isSelection))),
  )
  const body = repeatWhile(
    [...choose([...get(at), ...loadI32(kind)], operations), ...increase(at, operationBytes)],
    [...get(at), ...get(end), op.i32LtU],
  )
  const locals = [...Array.from({ length: 5 }, () => i32), ...Array.from({ length: 5 }, () => v128)]
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

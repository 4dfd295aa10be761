/**
 * The two walks of the fast kernel as WebAssembly. Both add path lengths to sums exactly as
 * `addPathLengths` does: a row goes right iff x > threshold, leaf values are float64, trees are added
 * in their order. Eight rows walk a tree together, so that their loads overlap.
 *
 * A node is 16 bytes: threshold (float64), byte offset of its feature's lane in the tile (int32), and
 * for the linked walk the byte offset of its left child, the right one being next to it (int32).
 */
import {
  addF64x2,
  type Code,
  constant,
  copyMemory,
  forEach,
  get,
  i32,
  loadF64,
  loadF64x2,
  loadI32,
  mulF64x2,
  op,
  repeatWhile,
  set,
  storeF64,
  storeF64x2,
  tee,
  v128,
  type WasmFunction,
  when,
  zeroF64x2,
} from '../../../wasm/index.ts'

/** Rows that walk together: measured best of 4, 6, 8, 10 and 16. */
export const groupRows = 8

export const nodeBytes = 16
export const leafBytes = 8
/** What stands before the nodes of a linked tree: bytes of its nodes, bytes of the tree, rounds of `levelsAtOnce` levels (int32 each), 4 unused. */
export const linkedHeaderBytes = 16

/** Parameters of both walks, all byte addresses: trees [0, 1), tile lanes of the first feature [2, 3), sums 4. */
const [treeBase, treesEnd, tileBase, tileEnd, sumsBase] = [0, 1, 2, 3, 4] as const
/** Locals of both walks; each row's place in the tree is in one of the `groupRows` locals from `place`. */
const [row, sums, base, leafBase, node, moved, rounds, place] = [5, 6, 7, 8, 9, 10, 11, 12] as const
const shape = { params: 5, locals: Array.from({ length: 7 + groupRows }, () => i32) }

/** Levels a linked walk goes down before it looks whether it has arrived. */
export const levelsAtOnce = 4

const increase = (local: number, bytes: number) => [...get(local), ...constant(bytes), op.i32Add, ...set(local)]

/**
 * Leaves 1 or 0: whether row k of the group goes right at a node.
 * @param at leaves the node's address
 */
const goesRight = (k: number, at: Code) => [
  ...[...get(row), ...at, ...loadI32(8), op.i32Add, ...loadF64(8 * k)],
  ...[...at, ...loadF64(0), op.f64Gt],
]

/**
 * Adds the leaf values of a group to its sums.
 * @param leafValue leaves the leaf value of row k
 */
const addLeaves = (leafValue: (k: number) => Code) =>
  forEach(groupRows, (k) => [
    ...get(sums),
    ...[...get(sums), ...loadF64(8 * k), ...leafValue(k), op.f64Add],
    ...storeF64(8 * k),
  ])

/** Places count 16 bytes a node, leaf values take 8. */
const halfPlace = (k: number) => [...get(place + k), ...constant(1), op.i32ShrU]

/** Walks all groups of rows down one tree, `walk` being the way of one group from the root to its sums. */
const forEachGroup = (walk: Code) => [
  ...[...get(tileBase), ...set(row), ...get(sumsBase), ...set(sums)],
  ...repeatWhile(
    [...walk, ...increase(sums, 8 * groupRows), ...increase(row, 8 * groupRows)],
    [...get(row), ...get(tileEnd), op.i32LtU],
  ),
]

const forEachTree = (tree: Code) => repeatWhile(tree, [...get(treeBase), ...get(treesEnd), op.i32LtU])

/** Bytes of a padded tree: 2^depth - 1 nodes, then 2^depth leaf values. */
export function paddedTreeBytes(depth: number): number {
  return nodeBytes * (2 ** depth - 1) + leafBytes * 2 ** depth
}

/**
 * Where a padded tree is copied to before it is walked: at a fixed address a step needs one addition
 * less, which is worth more than the copy (measured 10 %). With the root's place being 16, a place is
 * then the address of its node.
 */
const slotStart = nodeBytes
/** Deepest padded trees there is a slot for. */
export const mostPaddedDepth = 10
/** First byte of the memory behind the slot. */
export const slotEnd = slotStart + paddedTreeBytes(mostPaddedDepth)

/**
 * The walk through perfect trees of one depth: a row's place p starts at 1 and becomes
 * 2 p + (x > threshold), without a branch, once per level. Places are kept times 16. The loop over the
 * levels is unrolled (measured 10 % faster).
 *
 * @param isCopied whether each tree is walked in the slot; for few rows the copy takes longer than the walk
 */
export function paddedWalk(depth: number, isCopied: boolean): WasmFunction {
  const at = (k: number) => (isCopied ? get(place + k) : [...get(place + k), ...get(base), op.i32Add])
  const doubled = (k: number) => [...get(place + k), ...constant(1), op.i32Shl]
  // Choosing between both children is shorter in machine code than shifting the comparison's result.
  const step = (k: number) => [
    ...[...doubled(k), ...constant(nodeBytes), op.i32Add, ...doubled(k)],
    ...[...goesRight(k, at(k)), op.select, ...set(place + k)],
  ]
  const leaves = 2 ** depth
  const tree = [
    ...(isCopied
      ? [...constant(slotStart), ...get(treeBase), ...constant(paddedTreeBytes(depth)), ...copyMemory]
      : [...get(treeBase), ...constant(slotStart), op.i32Sub, ...set(base)]),
    ...forEachGroup([
      ...forEach(groupRows, (k) => [...constant(slotStart), ...set(place + k)]),
      ...forEach(depth, () => forEach(groupRows, step)),
      // Leaf values begin at 16 * leaves, where the nodes end; half the place of the first leaf is 8 * leaves.
      ...addLeaves((k) => [
        ...halfPlace(k),
        ...(isCopied ? [] : [...get(base), op.i32Add]),
        ...loadF64(leafBytes * leaves),
      ]),
    ]),
    ...increase(treeBase, paddedTreeBytes(depth)),
  ]
  return { name: 'walk', ...shape, body: forEachTree(tree) }
}

/** Trees that one row walks together. No more than there are places. */
const groupTrees = 8

/**
 * The walk of `paddedWalk` row by row: what goes down together is one row in many trees, so that a lone row does not take as long
 * as eight.
 */
export function paddedRowWalk(depth: number): WasmFunction {
  const bytes = paddedTreeBytes(depth)
  /** The next tree. */
  const next = moved
  // From the place of a node to its address in the first tree of a group; those in the others lie `bytes` apart.
  const at = (k: number) => [...get(place + k), ...get(base), op.i32Add]
  const doubled = (k: number) => [...get(place + k), ...constant(1), op.i32Shl]
  const step = (k: number) => [
    ...[...doubled(k), ...constant(nodeBytes), op.i32Add, ...doubled(k)],
    ...[...at(k), ...loadI32(8 + k * bytes), ...get(row), op.i32Add, ...loadF64(0)],
    ...[...at(k), ...loadF64(k * bytes), op.f64Gt, op.select, ...set(place + k)],
  ]
  const group = (trees: number) => [
    ...[...get(next), ...constant(slotStart), op.i32Sub, ...set(base)],
    ...forEach(trees, (k) => [...constant(slotStart), ...set(place + k)]),
    ...forEach(depth, () => forEach(trees, step)),
    ...[...get(sums), ...get(sums), ...loadF64(0)],
    ...forEach(trees, (k) => [
      ...[...halfPlace(k), ...get(base), op.i32Add],
      ...[...loadF64(leafBytes * 2 ** depth + k * bytes), op.f64Add],
    ]),
    ...[...storeF64(0), ...increase(next, trees * bytes)],
  ]
  /** Whether so many trees are left. */
  const areLeft = (trees: number) => [
    ...[...get(next), ...constant((trees - 1) * bytes), op.i32Add, ...get(treesEnd), op.i32LtU],
  ]
  const all = (trees: number) => when(areLeft(trees), repeatWhile(group(trees), areLeft(trees)))
  const body = [
    ...[...get(tileBase), ...set(row), ...get(sumsBase), ...set(sums)],
    ...repeatWhile(
      [
        ...[...get(treeBase), ...set(next)],
        ...[...all(groupTrees), ...all(1)],
        ...[...increase(sums, 8), ...increase(row, 8)],
      ],
      [...get(row), ...get(tileEnd), op.i32LtU],
    ),
  ]
  return { name: 'walk', ...shape, body }
}

/**
 * The walk through linked trees of any depth: a row's place is the byte offset of its node, from 0. A
 * leaf's left child is the leaf itself and its threshold +Infinity, so a row that arrived stays; the
 * walk ends where the tree does, or earlier when none of the group has moved. To find that out takes a round more, which
 * cost trees of a fourth of their depth as much again.
 */
export function linkedWalk(): WasmFunction {
  const step = (k: number) => [
    ...[...get(place + k), ...get(base), op.i32Add, ...set(node)],
    ...[...goesRight(k, get(node)), ...constant(4), op.i32Shl, ...get(node), ...loadI32(12), op.i32Add],
    ...set(place + k),
  ]
  const watchedStep = (k: number) => [
    ...[...get(place + k), ...step(k), ...get(place + k), op.i32Xor],
    ...[...get(moved), op.i32Or, ...set(moved)],
  ]
  const levels = [
    ...forEach(levelsAtOnce - 1, () => forEach(groupRows, step)),
    ...[...constant(0), ...set(moved)],
    ...forEach(groupRows, watchedStep),
  ]
  const tree = [
    ...[...get(treeBase), ...constant(linkedHeaderBytes), op.i32Add, ...tee(base)],
    ...[...get(treeBase), ...loadI32(0), op.i32Add, ...set(leafBase)],
    ...forEachGroup([
      ...forEach(groupRows, (k) => [...constant(0), ...set(place + k)]),
      ...[...get(treeBase), ...loadI32(8), ...set(rounds)],
      ...repeatWhile(levels, [
        ...[...get(moved), ...constant(0)],
        ...[...get(rounds), ...constant(1), op.i32Sub, ...tee(rounds), op.select],
      ]),
      ...addLeaves((k) => [...get(leafBase), ...halfPlace(k), op.i32Add, ...loadF64(0)]),
    ]),
    ...[...get(treeBase), ...get(treeBase), ...loadI32(4), op.i32Add, ...set(treeBase)],
  ]
  return { name: 'walk', ...shape, body: forEachTree(tree) }
}

/**
 * A look for values that are not finite: adds 0 times each value of a range (parameters 0 and 1: byte
 * addresses, a multiple of 32 apart) and leaves the two sums at the address of parameter 2. They are 0
 * when every value is finite, else at least one is NaN.
 */
export function finiteCheck(): WasmFunction {
  const [at, end, target, zero, even, odd] = [0, 1, 2, 3, 4, 5] as const
  const add = (sum: number, offset: number) => [
    ...[...get(at), ...loadF64x2(offset), ...get(zero), ...mulF64x2],
    ...[...get(sum), ...addF64x2, ...set(sum)],
  ]
  const body = [
    ...[...zeroF64x2, ...tee(zero), ...tee(even), ...set(odd)],
    ...repeatWhile([...add(even, 0), ...add(odd, 16), ...increase(at, 32)], [...get(at), ...get(end), op.i32LtU]),
    ...[...get(target), ...get(even), ...get(odd), ...addF64x2, ...storeF64x2(0)],
  ]
  return { name: 'check', params: 3, locals: [v128, v128, v128], body }
}

/**
 * The walk through linked trees as WebAssembly. It adds path lengths to sums exactly as `addPathLengths` does: a row goes right
 * iff x > threshold, leaf values are float64, trees are added in their order. Eight rows walk a tree together, so that their
 * loads overlap.
 *
 * A node is 16 bytes: threshold (float64), byte offset of its feature's column in the tile (int32), and byte offset of its left
 * child, the right one being next to it (int32).
 */
import {
  add,
  before,
  declare,
  defineFunction,
  gt,
  increase,
  int,
  load,
  lt,
  or,
  repeatWhile,
  select,
  set,
  shl,
  shr,
  store,
  sub,
  tee,
  times,
  type WasmFunction,
  xor,
} from '../../../wasm/index.ts'

/** Rows that walk together. */
export const groupRows = 8

export const nodeBytes = 16
export const leafBytes = 8
/** What stands before the nodes of a tree: bytes of its nodes, bytes of the tree, rounds of `levelsAtOnce` levels (int32 each), 4 unused. */
export const headerBytes = 16
/** Levels a row goes down before the walk looks whether it has arrived. */
export const levelsAtOnce = 4

/**
 * The walk through trees of any depth: a row's place is the byte offset of its node, from 0. A leaf's left child is the leaf
 * itself and its threshold +Infinity, so a row that arrived stays; the walk ends where the tree does, or earlier when none of the
 * group has moved. The parameters are byte addresses.
 */
export function linkedWalk(): WasmFunction {
  const frame = declare(
    { tree: 'i32', treesEnd: 'i32', tile: 'i32', tileEnd: 'i32', sumsStart: 'i32' },
    {
      ...{ row: 'i32', sums: 'i32', nodes: 'i32', leaves: 'i32', node: 'i32', moved: 'i32', rounds: 'i32' },
      place: ['i32', groupRows],
    },
  )
  const { tree, treesEnd, tile, tileEnd, sumsStart, row, sums, nodes, leaves, node, moved, rounds, place } =
    frame.variables
  const value = (k: number) => load('f64', add(row, load('i32', node, 8)), 8 * k)
  const step = (k: number) => [
    set(node, add(place(k), nodes)),
    set(place(k), add(shl(gt(value(k), load('f64', node)), 4), load('i32', node, 12))),
  ]
  const watchedStep = (k: number) => set(moved, or(xor(before(step(k), place(k)), place(k)), moved))
  const levels = [times(levelsAtOnce - 1, () => times(groupRows, step)), set(moved, 0), times(groupRows, watchedStep)]
  // Places count 16 bytes a node, leaf values take 8.
  const leafValue = (k: number) => load('f64', add(leaves, shr(place(k), 1)))
  const group = [
    times(groupRows, (k) => set(place(k), 0)),
    set(rounds, load('i32', tree, 8)),
    repeatWhile(select(moved, int(0), tee(rounds, sub(rounds, 1))), levels),
    times(groupRows, (k) => store('f64', sums, add(load('f64', sums, 8 * k), leafValue(k)), 8 * k)),
    increase(sums, 8 * groupRows),
    increase(row, 8 * groupRows),
  ]
  const oneTree = [
    set(leaves, add(tee(nodes, add(tree, headerBytes)), load('i32', tree))),
    set(row, tile),
    set(sums, sumsStart),
    repeatWhile(lt(row, tileEnd), group),
    set(tree, add(tree, load('i32', tree, 4))),
  ]
  return defineFunction('walk', frame, repeatWhile(lt(tree, treesEnd), oneTree))
}

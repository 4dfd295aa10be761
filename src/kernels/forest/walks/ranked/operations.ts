import { nodeDepths, type Tree } from '../../index.ts'
import { type Geometry, pieceLeaves } from './geometry.ts'
import { childOf, kindOfNode, sideOf, type View, viewOf } from './view.ts'
import { operationBytes, operationPlaces } from './walk-code.ts'

/** A tree for the ranked walk. */
export interface TreeOperations {
  /** See `operationPlaces`; children before their parents. */
  readonly operations: Uint8Array
  /** Path length of each leaf, from left to right: its depth plus c(rows in it). With pieces 256 entries for each. */
  readonly table: Float64Array
  /** Whether the tree is cut into pieces. */
  readonly hasPieces: boolean
}

/**
 * Lays out a tree of at most `maxLeaves` leaves and 256 pieces.
 *
 * @param lengths c(0) to c(psi)
 * @param place of the tree among those that are added together
 * @param rankOf the rank of an inner node's threshold
 */
export function layOperations(
  tree: Tree,
  lengths: Float64Array,
  geometry: Geometry,
  place: number,
  rankOf: (node: number) => number,
): TreeOperations {
  const counts = countLeaves(tree)
  const isCut = (node: number) => counts[node]! > pieceLeaves
  const { leaves, pieces, table } = numberLeaves(tree, lengths, counts)
  // A tree that is only a root has no operation, so that any number must lead to its value.
  if (counts[0] === 1) {
    const same = new Float64Array(pieceLeaves).fill(table[0]!)
    return { operations: new Uint8Array(), table: same, hasPieces: false }
  }
  const isLeaf = (node: number) => isLeafOf(tree, node)
  const ofLeaves = viewOf({ tree, numbers: leaves, isLeaf, isSelection: isCut })
  const views: [View, number][] = [[ofLeaves, geometry.leaves(place)]]
  if (isCut(0)) {
    const ofPieces = viewOf({ tree, numbers: pieces, isLeaf: (node) => !isCut(node), isSelection: () => false })
    views.push([ofPieces, geometry.pieces(place)])
  }
  // No view has more operations than there are inner nodes, and buffers are dear: one for all of them.
  const target = new DataView(new ArrayBuffer(operationBytes * views.length * ((tree.features.length - 1) / 2)))
  let end = 0
  for (const [view, result] of views) end = layView(view, geometry, result, rankOf, target, end)
  return { operations: new Uint8Array(target.buffer, 0, end), table, hasPieces: isCut(0) }
}

const isLeafOf = ({ features }: Tree, node: number) => features[node]! < 0

/** Lays the operations of a view from `start` of the target on, and returns where they end. */
function layView(
  view: View,
  geometry: Geometry,
  result: number,
  rankOf: (node: number) => number,
  target: DataView<ArrayBuffer>,
  start: number,
): number {
  const { links } = view.tree
  const needs = slotNeeds(view)
  let end = start

  /** Lays the operations of a subtree, which may use the slots from `free` on. */
  function lay(node: number, free: number, to: number): void {
    const [left, right] = [node + 1, links[node]!]
    // The child that needs more slots comes first, while all of them are free.
    const isLeftFirst = needs[left]! >= needs[right]!
    const order = isLeftFirst ? [left, right] : [right, left]
    const slots = [0, 0]
    let next = free
    for (const child of order) {
      const s = child === left ? 0 : 1
      if (sideOf(view, node, s) !== 'slot') continue
      slots[s] = geometry.slot(next)
      lay(child, next, geometry.slot(next++))
    }
    writeOperation(target, end, view, node, geometry, slots, to, rankOf)
    end += operationBytes
  }

  lay(0, 0, result)
  return end
}

/**
 * Writes the operation of a node.
 * @param slots for each side the address of its slot, where it is one
 * @param to address of the result
 */
function writeOperation(
  target: DataView<ArrayBuffer>,
  at: number,
  view: View,
  node: number,
  geometry: Geometry,
  slots: readonly number[],
  to: number,
  rankOf: (node: number) => number,
): void {
  const { features } = view.tree
  for (const s of [0, 1] as const) {
    const child = childOf(view.tree, node, s)
    const side = sideOf(view, node, s)
    if (side === 'slot') {
      target.setInt32(at + operationPlaces.sides[s], slots[s]!, true)
      continue
    }
    target.setUint8(at + operationPlaces.leaves[s], firstNumber(view, child))
    if (side === 'leaf') continue
    const [left, right] = [childOf(view.tree, child, 0), childOf(view.tree, child, 1)]
    target.setUint8(at + operationPlaces.rightLeaves[s], firstNumber(view, right))
    let n = 0
    for (const inner of [child, left, right]) {
      if (view.isLeaf(inner)) continue
      target.setInt32(at + operationPlaces.sides[s] + 4 * n, geometry.ranks(features[inner]!), true)
      target.setInt8(at + operationPlaces.sideRanks[s] + n++, rankOf(inner))
    }
  }
  target.setInt32(at + operationPlaces.kind, kindOfNode(view, node), true)
  target.setInt32(at + operationPlaces.ranks, geometry.ranks(features[node]!), true)
  target.setInt32(at + operationPlaces.result, to, true)
  target.setInt8(at + operationPlaces.rank, rankOf(node))
}

/** The number of the leftmost leaf below a node. */
function firstNumber({ isLeaf, numbers }: View, node: number): number {
  let first = node
  while (!isLeaf(first)) first++
  return numbers[first]!
}

/** How many slots each subtree needs when it is one, that of its own result included. */
function slotNeeds(view: View): Uint8Array {
  const { links } = view.tree
  const needs = new Uint8Array(links.length)
  const needOf = (node: number, s: 0 | 1) =>
    sideOf(view, node, s) === 'slot' ? needs[childOf(view.tree, node, s)]! : 0
  for (let node = needs.length - 1; node >= 0; node--) {
    if (view.isLeaf(node)) continue
    const left = needOf(node, 0)
    const right = needOf(node, 1)
    needs[node] = left === right ? left + 1 : Math.max(left, right)
  }
  return needs
}

/** Leaves below every node, itself included. */
export function countLeaves({ features, links }: Tree): Uint32Array {
  const counts = new Uint32Array(features.length)
  for (let node = counts.length - 1; node >= 0; node--) {
    const isLeaf = features[node]! < 0
    counts[node] = isLeaf ? 1 : counts[node + 1]! + counts[links[node]!]!
  }
  return counts
}

/** Pieces of a tree: each node above them has two sides, so that there is one more of them than of such nodes. */
export function countPieces(counts: Uint32Array): number {
  let pieces = 1
  for (const count of counts) if (count > pieceLeaves) pieces++
  return pieces
}

/**
 * Numbers the pieces, and within each its leaves, from left to right, which is their order among the nodes.
 * @param counts leaves below every node
 */
function numberLeaves(tree: Tree, lengths: Float64Array, counts: Uint32Array) {
  const { features, links } = tree
  const depths = nodeDepths(tree)
  const leaves = new Uint8Array(features.length)
  const pieces = new Uint8Array(features.length)
  const pieceCount = countPieces(counts)
  const table = new Float64Array(pieceCount > 1 ? pieceLeaves * pieceCount : counts[0]!)
  let piece = -1
  let leaf = 0
  let pieceEnd = 0
  for (let node = 0; node < features.length; node++) {
    const count = counts[node]!
    if (count > pieceLeaves) continue
    if (node >= pieceEnd) {
      pieces[node] = ++piece
      leaf = 0
      pieceEnd = node + 2 * count - 1
    }
    if (features[node]! >= 0) continue
    leaves[node] = leaf
    table[pieceLeaves * piece + leaf++] = depths[node]! + lengths[links[node]!]!
  }
  return { leaves, pieces, table }
}

import { nodeDepths, type Tree } from '../../index.ts'
import { type Geometry, pieceLeaves } from './geometry.ts'
import {
  kindOf,
  operationBytes,
  operationPlaces,
  type SelectedSide,
  type Side,
  selectionKindOf,
  sides,
} from './walk-code.ts'

/**
 * What the leaf numbers of a tree, or the numbers of its pieces, are found from: nodes from the root down to those that
 * count as leaves here, which have numbers.
 */
interface View {
  readonly tree: Tree
  readonly numbers: Uint8Array
  isLeaf(node: number): boolean
  /** Whether the numbers of both sides of a node have nothing to do with each other. */
  isSelection(node: number): boolean
  /** For every node its place in `sides`: what it is as a side of the operation above it, unless that selects and knows leaves, pairs and slots only. */
  readonly shapes: Uint8Array
}

const [leaf, pair, slot] = [sides.indexOf('leaf'), sides.indexOf('pair'), sides.indexOf('slot')]

/** Looks at a tree; see `View`. */
function viewOf(given: Omit<View, 'shapes'>): View {
  const { links } = given.tree
  const shapes = new Uint8Array(links.length)
  for (let node = shapes.length - 1; node >= 0; node--) {
    if (given.isLeaf(node)) shapes[node] = leaf
    else if (given.isSelection(node)) shapes[node] = slot
    else shapes[node] = shapeAbove(shapes[node + 1]!, shapes[links[node]!]!)
  }
  return { ...given, shapes }
}

/** The shape of a node whose children have these. */
function shapeAbove(left: number, right: number): number {
  if (left > pair || right > pair) return slot
  if (left === leaf) return right === leaf ? pair : sides.indexOf('leafAndPair')
  return sides.indexOf(right === leaf ? 'pairAndLeaf' : 'twoPairs')
}

const leftFirst = [0, 1] as const
const rightFirst = [1, 0] as const

/** The left (0) or right (1) child of an inner node. */
const childOf = ({ links }: Tree, node: number, s: 0 | 1): number => (s === 0 ? node + 1 : links[node]!)

/** What the left (0) or right (1) side of an inner node's operation is. */
function sideOf(view: View, node: number, s: 0 | 1): Side {
  const shape = view.shapes[childOf(view.tree, node, s)]!
  return sides[view.isSelection(node) && shape > pair ? slot : shape] as Side
}

/** The kind of an inner node's operation. */
function kindOfNode(view: View, node: number): number {
  const [left, right] = [sideOf(view, node, 0), sideOf(view, node, 1)]
  return view.isSelection(node) ? selectionKindOf(left as SelectedSide, right as SelectedSide) : kindOf(left, right)
}

/**
 * Lays out a tree of at most `maxLeaves` leaves and 256 pieces: its operations (see `operationPlaces`), children before their
 * parents, and as `table` the path length of each leaf, from left to right: its depth plus c(rows in it). Where the tree is cut into
 * pieces, 256 entries for each.
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
) {
  const counts = countLeaves(tree)
  const isCut = (node: number) => counts[node]! > pieceLeaves
  const { leaves, pieces, table } = numberLeaves(tree, lengths, counts)
  // A tree that is only a root has no operation, so that any number must lead to its value.
  if (counts[0] === 1) {
    const same = new Float64Array(pieceLeaves).fill(table[0]!)
    return { operations: new Uint8Array(), table: same, hasPieces: false }
  }
  const isLeaf = (node: number) => tree.features[node]! < 0
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

/** Lays the operations of a view, whose result goes to an address, from `start` of the target on; returns where they end. */
function layView(
  view: View,
  geometry: Geometry,
  result: number,
  rankOf: (node: number) => number,
  target: DataView<ArrayBuffer>,
  start: number,
): number {
  const { tree } = view
  const needs = slotNeeds(view)
  let end = start

  /** Lays the operations of a subtree, which may use the slots from `free` on. */
  function lay(node: number, free: number, to: number): void {
    // The child that needs more slots comes first, while all of them are free.
    const isLeftFirst = needs[node + 1]! >= needs[tree.links[node]!]!
    const slots = [0, 0]
    let next = free
    for (const s of isLeftFirst ? leftFirst : rightFirst) {
      if (sideOf(view, node, s) !== 'slot') continue
      slots[s] = geometry.slot(next)
      lay(childOf(tree, node, s), next, geometry.slot(next++))
    }
    for (const s of leftFirst) writeSide(node, s, slots[s]!)
    target.setInt32(end + operationPlaces.kind, kindOfNode(view, node), true)
    target.setInt32(end + operationPlaces.ranks, geometry.ranks(tree.features[node]!), true)
    target.setInt32(end + operationPlaces.result, to, true)
    target.setInt8(end + operationPlaces.rank, rankOf(node))
    end += operationBytes
  }

  /** Writes a side of a node's operation, the last one. @param slot the address of its slot, where it is one */
  function writeSide(node: number, s: 0 | 1, slot: number): void {
    const child = childOf(tree, node, s)
    const side = sideOf(view, node, s)
    if (side === 'slot') {
      target.setInt32(end + operationPlaces.sides[s], slot, true)
      return
    }
    target.setUint8(end + operationPlaces.leaves[s], firstNumber(view, child))
    if (side === 'leaf') return
    const [left, right] = [childOf(tree, child, 0), childOf(tree, child, 1)]
    target.setUint8(end + operationPlaces.rightLeaves[s], firstNumber(view, right))
    let n = 0
    for (const inner of [child, left, right]) {
      if (view.isLeaf(inner)) continue
      target.setInt32(end + operationPlaces.sides[s] + 4 * n, geometry.ranks(tree.features[inner]!), true)
      target.setInt8(end + operationPlaces.sideRanks[s] + n++, rankOf(inner))
    }
  }

  lay(0, 0, result)
  return end
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

import type { Tree } from '../../index.ts'
import { kindOf, type SelectedSide, type Side, selectionKindOf, sides } from './walk-code.ts'

/**
 * What the leaf numbers of a tree, or the numbers of its pieces, are found from: nodes from the root down to those that
 * count as leaves here, which have numbers.
 */
export interface View {
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
export function viewOf(given: Omit<View, 'shapes'>): View {
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

/** The left (0) or right (1) child of an inner node. */
export const childOf = ({ links }: Tree, node: number, s: 0 | 1): number => (s === 0 ? node + 1 : links[node]!)

/** What the left (0) or right (1) side of an inner node's operation is. */
export function sideOf(view: View, node: number, s: 0 | 1): Side {
  const shape = view.shapes[childOf(view.tree, node, s)]!
  return sides[view.isSelection(node) && shape > pair ? slot : shape] as Side
}

/** The kind of an inner node's operation. */
export function kindOfNode(view: View, node: number): number {
  const [left, right] = [sideOf(view, node, 0), sideOf(view, node, 1)]
  return view.isSelection(node) ? selectionKindOf(left as SelectedSide, right as SelectedSide) : kindOf(left, right)
}

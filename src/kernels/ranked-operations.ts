import { type Geometry, mostLeaves } from './ranked-geometry.ts'
import { operationBytes, operationPlaces, type Side, sides } from './ranked-walk-code.ts'
import { nodeDepths, type Tree } from './tree.ts'

/** A tree for the ranked walk. */
export interface TreeOperations {
  /** See `operationPlaces`; children before their parents. */
  readonly operations: Uint8Array
  /** Path length of each leaf, from left to right: its depth plus c(rows in it). */
  readonly table: Float64Array
}

/**
 * Lays out a tree of at most `mostLeaves` leaves.
 *
 * @param lengths c(0) to c(psi)
 * @param result address of the leaf numbers
 * @param rankOf the rank of an inner node's threshold
 */
export function layOperations(
  tree: Tree,
  lengths: Float64Array,
  geometry: Geometry,
  result: number,
  rankOf: (node: number) => number,
): TreeOperations {
  const { features, links } = tree
  const { numbers, table } = numberLeaves(tree, lengths)
  // A tree that is only a root has no operation, so that any number must lead to its value.
  if (features.length === 1) {
    return { operations: new Uint8Array(), table: new Float64Array(mostLeaves).fill(table[0] as number) }
  }
  const needs = slotNeeds(tree)
  const operations = new Uint8Array(operationBytes * needs.operations)
  const view = new DataView(operations.buffer)
  let end = 0

  /** Lays the operations of a subtree, which may use the slots from `free` on. */
  function lay(node: number, free: number, to: number): void {
    const children = [node + 1, links[node] as number] as const
    const needed = children.map((child) => needs.slots[child] as number) as [number, number]
    // The child that needs more slots comes first, while all of them are free.
    const order = needed[0] >= needed[1] ? ([0, 1] as const) : ([1, 0] as const)
    const slots = [0, 0]
    for (const s of order) {
      if (sideOf(tree, children[s]) !== 'slot') continue
      slots[s] = geometry.slot(free)
      lay(children[s], free, geometry.slot(free++))
    }
    const at = end
    end += operationBytes
    let kinds = 0
    for (const s of [0, 1] as const) {
      const child = children[s]
      const kind = sideOf(tree, child)
      kinds = sides.length * kinds + sides.indexOf(kind)
      if (kind === 'slot') view.setInt32(at + operationPlaces.sides[s], slots[s] as number, true)
      else view.setUint8(at + operationPlaces.leaves[s], numbers[kind === 'pair' ? child + 1 : child] as number)
      if (kind !== 'pair') continue
      view.setInt32(at + operationPlaces.sides[s], geometry.ranks(features[child] as number), true)
      view.setInt8(at + operationPlaces.sideRanks[s], rankOf(child))
    }
    view.setInt32(at + operationPlaces.kinds, kinds, true)
    view.setInt32(at + operationPlaces.ranks, geometry.ranks(features[node] as number), true)
    view.setInt32(at + operationPlaces.result, to, true)
    view.setInt8(at + operationPlaces.rank, rankOf(node))
  }

  lay(0, 0, result)
  return { operations, table }
}

/** Numbers the leaves from left to right, which is their order among the nodes. */
function numberLeaves(tree: Tree, lengths: Float64Array) {
  const depths = nodeDepths(tree)
  const numbers = new Uint8Array(tree.features.length)
  const table: number[] = []
  tree.features.forEach((feature, node) => {
    if (feature >= 0) return
    numbers[node] = table.length
    table.push((depths[node] as number) + (lengths[tree.links[node] as number] as number))
  })
  return { numbers, table: Float64Array.from(table) }
}

function sideOf({ features, links }: Tree, node: number): Side {
  if ((features[node] as number) < 0) return 'leaf'
  return (features[node + 1] as number) < 0 && (features[links[node] as number] as number) < 0 ? 'pair' : 'slot'
}

/** How many slots each subtree needs, that of its own result included, and how many operations the tree has. */
function slotNeeds(tree: Tree) {
  const slots = new Uint8Array(tree.features.length)
  let operations = 0
  for (let node = slots.length - 1; node >= 0; node--) {
    // A pair is done by its parent, unless it has none.
    if (node > 0 && sideOf(tree, node) !== 'slot') continue
    if ((tree.features[node] as number) < 0) continue
    operations++
    const [left, right] = [slots[node + 1] as number, slots[tree.links[node] as number] as number]
    slots[node] = left === right ? left + 1 : Math.max(left, right)
  }
  return { slots, operations }
}

import type { Geometry } from './ranked-geometry.ts'
import { writeOperation } from './ranked-operations.ts'
import { childOf, kindOfNode, sideOf, type View } from './ranked-view.ts'
import { operationBytes } from './ranked-walk-code.ts'

/** An operation that waits for those below it. */
interface Waiting {
  readonly view: View
  /** Place of the tree among those that are laid together. */
  readonly place: number
  readonly node: number
  readonly kind: number
  /** The operations whose slots are its sides; null for other sides. */
  readonly inputs: readonly (Waiting | null)[]
  above: Waiting | null
  /** Inputs that are not done yet. */
  missing: number
  slot: number
}

/**
 * Lays the operations of some trees by kind. To find out what an operation is costs as much time as to do it for a hundred rows,
 * unless the one before was the same: so those of one kind that have all they need come one after the other, whatever their trees. For
 * that a slot is needed for every second operation or so, which the cache holds when rows are few.
 *
 * @param views of trees with two leaves or more, by place; null for others
 * @param rankOf the rank of an inner node's threshold, by place and node
 */
export function layByKind(
  views: readonly (View | null)[],
  geometry: Geometry,
  rankOf: (place: number, node: number) => number,
): Uint8Array {
  const order = orderByKind(views.flatMap((view, place) => (view === null ? [] : plan(view, place))))
  const target = new DataView(new ArrayBuffer(operationBytes * order.length))
  order.forEach(({ view, place, node, inputs, above, slot }, i) => {
    const slots = inputs.map((input) => (input === null ? 0 : geometry.slot(input.slot)))
    const to = above === null ? geometry.leaves(place) : geometry.slot(slot)
    writeOperation(target, i * operationBytes, view, node, geometry, slots, to, (other) => rankOf(place, other))
  })
  return new Uint8Array(target.buffer)
}

/** The operations of a tree, children before their parents. */
function plan(view: View, place: number): Waiting[] {
  const planned: Waiting[] = []
  const add = (node: number): Waiting => {
    const inputs = ([0, 1] as const).map((s) =>
      sideOf(view, node, s) === 'slot' ? add(childOf(view.tree, node, s)) : null,
    )
    const missing = inputs.filter((input) => input !== null).length
    const own = { view, place, node, kind: kindOfNode(view, node), inputs, above: null, missing, slot: -1 }
    for (const input of inputs) if (input) input.above = own
    planned.push(own)
    return own
  }
  add(0)
  return planned
}

/** Of those that have all they need the kind of which there are most comes next; gives each a slot until it was used. */
function orderByKind(planned: readonly Waiting[]): Waiting[] {
  const ready: Waiting[][] = []
  const order: Waiting[] = []
  const free: number[] = []
  let slots = 0
  const isReady = (one: Waiting) => {
    ready[one.kind] ??= []
    ready[one.kind]!.push(one)
  }
  for (const one of planned) if (one.missing === 0) isReady(one)
  while (order.length < planned.length) {
    const next = ready.reduce((longest, kind) => (kind.length > longest.length ? kind : longest), [])
    // What becomes ready meanwhile and is of the same kind comes along.
    for (const one of next) {
      order.push(one)
      // The result may lie where a side was: a vector is read before it is written.
      for (const input of one.inputs) if (input !== null) free.push(input.slot)
      if (one.above === null) continue
      one.slot = free.pop() ?? slots++
      if (--one.above.missing === 0) isReady(one.above)
    }
    next.length = 0
  }
  return order
}

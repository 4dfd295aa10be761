/**
 * The walk through linked trees as WebAssembly. It adds path lengths to sums exactly as `addPathLengths` does: a row goes right
 * iff x > threshold, leaf values are float64, trees are added in their order. Eight rows walk a tree together, so that their
 * loads overlap.
 *
 * A node is 16 bytes: threshold (float64), byte offset of its feature's column in the tile (int32), and byte offset of its left
 * child, the right one being next to it (int32).
 */
import { averagePathLengths, keepPrepared } from '../../index.ts'
import type { RowScoreInput } from '../../scores/index.ts'
import {
  add,
  before,
  compileModule,
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
  type WasmModule,
  xor,
} from '../../wasm/index.ts'
import { type Forest, treeOf } from '../index.ts'
import { createTreeKernel, headerBytes, type LaidTrees, laidBytes, layTrees, shapeOf } from './tree-kernel.ts'

/** Rows that walk together. */
const groupRows = 8
const nodeBytes = 16
/** Levels of a round: a row goes down so many before the walk looks whether it has arrived. */
const levelsAtOnce = 4
/** A larger tile is slower, and a much smaller one too. */
const maxTileBytes = 128 * 1024
/** Rows from which on it pays to prepare a forest. */
const defaultMinRows = 512
/** Prepared forests kept by one scorer, in bytes: some sixty of 100 trees and 256 rows. A larger one is not prepared. */
const maxKeptBytes = 32 * 1024 * 1024
/** What is counted for a forest that is known to be too large. */
const unsuitedBytes = 1024

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

let compiled: WasmModule | undefined

/** Bytes of a forest as `layLinked` lays it out. */
export const linkedBytes = (forest: Forest): number => laidBytes(forest, nodeBytes)

/**
 * Lays out a forest, with the walk for it, which is compiled once a thread.
 * @param trees `linkedBytes` bytes, all 0
 */
export function layLinked(forest: Forest, trees: Uint8Array): LaidTrees {
  const shape = shapeOf(forest, maxTileBytes, 32)
  const lengths = averagePathLengths(forest.psi)
  layTrees(forest, trees, nodeBytes, (t, { nodes, levels, children, depth, words, doubles }) => {
    const { features, thresholds, links } = treeOf(forest, t)
    const count = nodes.length
    for (let i = 0; i < count; i++) {
      const node = nodes[i]!
      const feature = features[node]!
      words[4 * i + 3] = nodeBytes * children[i]!
      if (feature < 0) {
        doubles[2 * i] = Number.POSITIVE_INFINITY
        doubles[2 * count + i] = levels[i]! + lengths[links[node]!]!
      } else {
        doubles[2 * i] = thresholds[node]!
        words[4 * i + 2] = feature * 8 * shape.tileRows
      }
    }
    return Math.max(1, Math.ceil(depth / levelsAtOnce))
  })
  compiled ??= compileModule(linkedWalk())
  return { shape, trees, module: compiled }
}

/** A kernel for what `layLinked` laid out. */
export const createLinkedKernel = () => createTreeKernel(groupRows)

/** The payload is not kept, so that it can go when the service drops it. */
function prepare(forest: Forest): LaidTrees | null {
  const bytes = linkedBytes(forest)
  return bytes > maxKeptBytes ? null : layLinked(forest, new Uint8Array(bytes))
}

/**
 * Scores rows of forests by the linked walk, keeping what it prepared within a bound of bytes.
 *
 * @param read turns a payload into a checked forest, or throws
 * @param minRows rows that have to be asked for before a forest is prepared
 */
export function createLinkedScorer(read: (payload: Uint8Array) => Forest, minRows: number = defaultMinRows) {
  const kernel = createLinkedKernel()
  const kept = keepPrepared<LaidTrees | null>(maxKeptBytes, (one) => one?.trees.byteLength ?? unsuitedBytes)
  return {
    /** Scores the rows and returns true, or returns false when preparing the forest would not pay yet, and nothing was done. */
    score({ key, payload, ...rows }: RowScoreInput): boolean {
      const prepared = kept.getFor(rows.to - rows.from, minRows, key, () => prepare(read(payload)))
      if (!prepared) return false
      kernel.load(prepared)
      kernel.score(rows)
      return true
    },
  }
}

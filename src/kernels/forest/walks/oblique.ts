/**
 * The walk through oblique trees as WebAssembly. It adds path lengths to sums: nodes passed plus c(rows in the leaf). A row goes right
 * when its sum along the cut lies above the threshold. Four rows walk a tree together, so that their loads overlap; all go down as
 * many levels as the tree is deep, a leaf being its own left child.
 *
 * With the range penalty a node counts only when the row lies within its acceptable range, threshold +- width of the node's training
 * rows: beyond it a row would pass as one of those at the edge. From Liu, Ting and Zhou (2010), "On Detecting Clustered Anomalies Using
 * SCiForest", ECML PKDD, section 3. The first node always counts, so that no score reaches 1 and guards can still tell rows apart. A
 * sum that overflowed to NaN goes left and does not count.
 *
 * A node is 16 bytes and 16 more per column: threshold, width (float64 each), then per column its weight (float64),
 * the byte offset of the feature's column in the tile (int32) and, in the first one, the byte offset of the left child
 * (int32); the right child is next to it. A node whose rows always count has the width Infinity. A leaf has the
 * threshold Infinity and the width -1, so that no row leaves it or is counted again, and the weights 0; c(rows in the leaf)
 * stands behind the last node, one float64 per node in their order.
 */
import { averagePathLengths, keepPrepared } from '../../index.ts'
import type { RowScoreInput } from '../../scores/index.ts'
import {
  abs,
  add,
  compileModule,
  declare,
  defineFunction,
  div,
  gt,
  increase,
  int,
  le,
  load,
  lt,
  mul,
  repeatWhile,
  select,
  set,
  shl,
  store,
  sub,
  times,
  toFloat,
  type WasmFunction,
  type WasmModule,
} from '../../wasm/index.ts'
import { type ObliqueForest, obliqueTreeOf } from '../index.ts'
import { createTreeKernel, headerBytes, type LaidTrees, laidBytes, layTrees, shapeOf } from './tree-kernel.ts'

/** Rows that walk together. */
const groupRows = 4
/** Prepared forests kept by one scorer, in bytes. */
const maxKeptBytes = 32 * 1024 * 1024
/** As much as stays in the cache beside a tree. */
const maxTileBytes = 64 * 1024

const nodeBytesOf = (columns: number) => 16 + 16 * columns

/** The walk through trees whose cuts have so many features. Its parameters are byte addresses. */
export function obliqueWalk(columns: number): WasmFunction {
  const frame = declare(
    { tree: 'i32', treesEnd: 'i32', tile: 'i32', tileEnd: 'i32', sumsStart: 'i32' },
    {
      ...{ row: 'i32', sums: 'i32', nodes: 'i32', leaves: 'i32', level: 'i32', node: 'i32' },
      ...{ place: ['i32', groupRows], depth: ['i32', groupRows] },
      beyond: 'f64',
    },
  )
  const { tree, treesEnd, tile, tileEnd, sumsStart, row, sums, nodes, leaves, level, node, place, depth, beyond } =
    frame.variables
  const bytes = nodeBytesOf(columns)
  const part = (k: number, c: number) => {
    const value = load('f64', add(row, load('i32', node, 24 + 16 * c)), 8 * k)
    return mul(load('f64', node, 16 + 16 * c), value)
  }
  const alongCut = (k: number) => {
    let sum = part(k, 0)
    for (let c = 1; c < columns; c++) sum = add(sum, part(k, c))
    return sum
  }
  const step = (k: number) => [
    set(node, add(place(k), nodes)),
    set(beyond, sub(alongCut(k), load('f64', node))),
    set(depth(k), add(le(abs(beyond), load('f64', node, 8)), depth(k))),
    set(place(k), add(select(int(bytes), int(0), gt(beyond, 0)), load('i32', node, 28))),
  ]
  // The place of a leaf in bytes, by the bytes of a node, is its number; its c lies behind the nodes.
  const leafValue = (k: number) => load('f64', add(leaves, shl(div(place(k), bytes), 3)))
  const addRow = (k: number) => {
    const sum = add(add(load('f64', sums, 8 * k), toFloat(depth(k))), leafValue(k))
    return store('f64', sums, sum, 8 * k)
  }
  const group = [
    times(groupRows, (k) => [set(place(k), 0), set(depth(k), 0)]),
    set(level, load('i32', tree, 8)),
    repeatWhile(level, [times(groupRows, step), set(level, sub(level, 1))]),
    times(groupRows, addRow),
    increase(sums, 8 * groupRows),
    increase(row, 8 * groupRows),
  ]
  const oneTree = [
    set(nodes, add(tree, headerBytes)),
    set(leaves, add(nodes, load('i32', tree))),
    set(row, tile),
    set(sums, sumsStart),
    repeatWhile(lt(row, tileEnd), group),
    increase(tree, load('i32', tree, 4)),
  ]
  return defineFunction('walk', frame, repeatWhile(lt(tree, treesEnd), oneTree))
}

/** The compiled walks of this thread, by the features of a cut. */
const modules = new Map<number, WasmModule>()

function layOblique(forest: ObliqueForest): LaidTrees {
  const { columns } = forest
  const nodeBytes = nodeBytesOf(columns)
  const shape = shapeOf(forest, maxTileBytes, 16)
  const trees = new Uint8Array(laidBytes(forest, nodeBytes))
  const lengths = averagePathLengths(forest.psi)
  layTrees(forest, trees, nodeBytes, (t, { nodes, children, depth, words, doubles }) => {
    const { features, weights, thresholds, widths, links } = obliqueTreeOf(forest, t)
    const count = nodes.length
    for (let i = 0; i < count; i++) {
      const node = nodes[i]!
      const at = node * columns
      const [word, double] = [(nodeBytes / 4) * i, (nodeBytes / 8) * i]
      if (features[at]! < 0) {
        doubles[double] = Number.POSITIVE_INFINITY
        doubles[double + 1] = -1
        doubles[(nodeBytes / 8) * count + i] = lengths[links[node]!]!
      } else {
        doubles[double] = thresholds[node]!
        doubles[double + 1] = forest.rangePenalty && i > 0 ? widths[node]! : Number.POSITIVE_INFINITY
        for (let c = 0; c < columns; c++) {
          doubles[double + 2 + 2 * c] = weights[at + c]!
          words[word + 6 + 4 * c] = features[at + c]! * 8 * shape.tileRows
        }
      }
      words[word + 7] = nodeBytes * children[i]!
    }
    return Math.max(1, depth)
  })
  const module = modules.get(columns) ?? compileModule(obliqueWalk(columns))
  modules.set(columns, module)
  return { shape, trees, module }
}

/**
 * Scores rows with oblique forests in one thread, keeping what it prepared within a bound of bytes.
 *
 * @param read turns a payload into a checked forest, or throws
 */
export function createObliqueScorer(read: (payload: Uint8Array) => ObliqueForest): {
  score(input: RowScoreInput): void
} {
  const kernel = createTreeKernel(groupRows)
  const kept = keepPrepared<LaidTrees>(maxKeptBytes, ({ trees }) => trees.byteLength)
  return {
    score({ key, payload, ...rows }) {
      kernel.load(kept.get(key, () => layOblique(read(payload))))
      kernel.score(rows)
    },
  }
}

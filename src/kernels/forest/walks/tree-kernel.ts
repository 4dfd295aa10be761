/** What the plain, the linked and the oblique walk have in common: rows are copied to a tile, which goes through all trees. */
import { scoreFactor } from '../../index.ts'
import { copyTile, scoresFromSums } from '../../scores/index.ts'
import { createMemory, growTo, instantiate, pageBytes, type WasmModule } from '../../wasm/index.ts'
import { type Forest, levelOrder, treeOf } from '../index.ts'
import type { WalkedRows } from './ranked/index.ts'

/** How a forest is walked: plain data. */
export interface WalkShape {
  readonly features: number
  /** Rows that go through all trees together: a multiple of those that walk together. */
  readonly tileRows: number
  /** See `scoreFactor`. */
  readonly factor: number
}

/** A forest laid out for a compiled walk: plain data. */
export interface LaidTrees {
  /** Its own: no two forests share the object. */
  readonly shape: WalkShape
  readonly trees: Uint8Array
  readonly module: WasmModule
}

/** As many rows as keep the tile within so many bytes, from `minRows` to 256. */
export function shapeOf({ features, trees, psi }: Forest, maxTileBytes: number, minRows: number): WalkShape {
  const fitting = 2 ** Math.floor(Math.log2(maxTileBytes / (8 * features)))
  return { features, tileRows: Math.max(minRows, Math.min(256, fitting)), factor: scoreFactor(trees, psi) }
}

/** What stands before the nodes of a tree: bytes of its nodes, bytes of the tree, rounds of the walk (int32 each), 4 unused. */
export const headerBytes = 16
/** The value of a leaf, one float64 per node behind the nodes. */
const leafBytes = 8

/** Bytes of a forest as `layTrees` lays it out. */
export function laidBytes({ trees, splits }: Forest, nodeBytes: number): number {
  return trees * headerBytes + (nodeBytes + leafBytes) * splits.length
}

/** A tree to be laid out: see `levelOrder`; its nodes, with the values of leaves behind them, as words and as doubles, all 0. */
type OpenTree = ReturnType<typeof levelOrder> & { readonly words: Int32Array; readonly doubles: Float64Array }

/**
 * Lays out a forest.
 * @param into `laidBytes` bytes, all 0
 * @param layNodes writes the nodes of tree t; returns the rounds of the walk
 */
export function layTrees(
  forest: Forest,
  into: Uint8Array,
  nodeBytes: number,
  layNodes: (t: number, tree: OpenTree) => number,
): void {
  let start = into.byteOffset
  for (let t = 0; t < forest.trees; t++) {
    const order = levelOrder(treeOf(forest, t))
    const count = order.nodes.length
    const first = start + headerBytes
    const words = new Int32Array(into.buffer, first, (nodeBytes / 4) * count)
    const doubles = new Float64Array(into.buffer, first, ((nodeBytes + leafBytes) / 8) * count)
    const rounds = layNodes(t, { ...order, words, doubles })
    const bytes = headerBytes + (nodeBytes + leafBytes) * count
    new Int32Array(into.buffer, start, 3).set([nodeBytes * count, bytes, rounds])
    start += bytes
  }
}

/**
 * Scores rows, tile after tile.
 * @param addPathLengths adds those of the first `rows` rows of the tile to their sums, that of row i at `from` + i
 */
export function scoreTiles(
  { from, to, scores, ...source }: WalkedRows,
  { features, tileRows, factor }: WalkShape,
  tile: Float64Array,
  addPathLengths: (sums: Float64Array, from: number, rows: number) => void,
): void {
  scores.fill(0, from, to)
  for (let start = from; start < to; start += tileRows) {
    const rows = Math.min(tileRows, to - start)
    copyTile(source, start, rows, features, tile, tileRows)
    addPathLengths(scores, start, rows)
  }
  scoresFromSums(scores, source.flags, from, to, factor)
}

const treesStart = ({ features, tileRows }: WalkShape) => 8 * tileRows * (features + 1)

/** Bytes of a kernel's memory with a forest in it. */
export function memoryBytes({ shape, trees }: LaidTrees): number {
  return Math.ceil((treesStart(shape) + trees.byteLength) / pageBytes) * pageBytes
}

/**
 * Compiled walks of one thread, with a memory that only grows: the sums of a tile, the tile, and one forest, in this order.
 * @param groupRows rows that walk together
 */
export function createTreeKernel(groupRows: number) {
  const memory = createMemory()
  const walks = new Map<WasmModule, ReturnType<typeof instantiate>>()
  let doubles = new Float64Array(memory.buffer)
  let tile = doubles
  /** That of the forest in the memory. */
  let shape: WalkShape
  let walk: ReturnType<typeof instantiate>
  /** Addresses; the tile begins where the sums end. */
  let tileStart = 0
  let trees = 0
  let treesEnd = 0

  /**
   * Adds the path lengths of the first rows of the tile to their sums.
   * @param sums that of row i of the tile at `from` + i
   * @param rows at most `tileRows`
   */
  function addPathLengths(sums: Float64Array, from: number, rows: number): void {
    for (let i = 0; i < rows; i++) doubles[i] = sums[from + i]!
    const walked = Math.ceil(rows / groupRows) * groupRows
    walk(trees, treesEnd, tileStart, tileStart + 8 * walked, 0)
    for (let i = 0; i < rows; i++) sums[from + i] = doubles[i]!
  }

  return {
    /** Puts a forest into the memory, unless it is the one that lies there. */
    load(laid: LaidTrees): void {
      if (shape === laid.shape) return
      shape = laid.shape
      walk = walks.get(laid.module) ?? instantiate(laid.module, memory)
      walks.set(laid.module, walk)
      tileStart = 8 * shape.tileRows
      trees = treesStart(shape)
      treesEnd = trees + laid.trees.byteLength
      if (growTo(memory, treesEnd)) doubles = new Float64Array(memory.buffer)
      tile = doubles.subarray(tileStart / 8, trees / 8)
      new Uint8Array(memory.buffer, trees).set(laid.trees)
    },
    /** The tile to fill, for the forest in the memory: feature f of row r at f * `tileRows` + r. */
    tile: () => tile,
    addPathLengths,
    /** Scores rows with the forest in the memory. */
    score: (rows: WalkedRows): void => scoreTiles(rows, shape, tile, addPathLengths),
  }
}

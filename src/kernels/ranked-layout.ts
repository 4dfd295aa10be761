import { type Forest, treeOf } from './forest.ts'
import { averagePathLengths } from './path-length.ts'
import { layByKind } from './ranked-by-kind.ts'
import { type Geometry, mostFewRows, type RankedSize, rankedGeometry, rankedSize } from './ranked-geometry.ts'
import { layOperations, type TreeOperations, viewWhole } from './ranked-operations.ts'
import { distinctThresholds, gridOf, groupTrees, thresholdRanks } from './ranked-thresholds.ts'
import { gridHeadBytes, roundingShift } from './ranked-values-code.ts'
import { treesTogether } from './ranked-walk-code.ts'
import type { Tree } from './tree.ts'

/** What `rankValues` needs for a feature that is split somewhere. Addresses. */
export interface FeatureGrid {
  readonly grid: number
  readonly buckets: number
  readonly firstStep: number
  readonly searchAll: boolean
}

/** Trees whose path lengths are added together, in order. Addresses. */
export interface RankedBatch {
  /** Their operations are in [from, to). */
  readonly from: number
  readonly to: number
  /** Path lengths of the leaves of each of `treesTogether`: an address for those that are not there, too. */
  readonly tables: readonly number[]
  /** Places where no tree is cut into pieces. */
  readonly whole: readonly number[]
}

export interface RankedGroup {
  /** Per feature: address of the table of `mapRanks`; none when this is the only group. */
  readonly maps: readonly number[]
  readonly batches: readonly RankedBatch[]
  /** Whether some tree is cut into pieces. */
  readonly hasPieces: boolean
}

/** A forest as it lies in the kernel's memory from `forest` of its geometry on: plain data. */
export interface RankedForest {
  readonly size: RankedSize
  /** One per feature; null = it is nowhere split, and its ranks are never looked at. */
  readonly grids: readonly (FeatureGrid | null)[]
  /** With one group its ranks are those among all thresholds, and no map is needed. */
  readonly groups: readonly RankedGroup[]
  readonly bytes: Uint8Array
}

/** Bytes put one after the other, each piece at a multiple of 16. */
function createBytes(start: number) {
  const pieces: { at: number; bytes: Uint8Array }[] = []
  let length = 0
  return {
    /** The address the piece will have. */
    append(piece: ArrayBufferView): number {
      const at = length
      pieces.push({ at, bytes: new Uint8Array(piece.buffer, piece.byteOffset, piece.byteLength) })
      length += Math.ceil(piece.byteLength / 16) * 16
      return start + at
    },
    join(): Uint8Array {
      const joined = new Uint8Array(length)
      for (const { at, bytes } of pieces) joined.set(bytes, at)
      return joined
    },
  }
}

/** A tree on its way into the kernel's memory. */
interface PlacedTree {
  readonly tree: Tree
  /** The rank of an inner node's threshold. */
  rankOf(node: number): number
}

/** What some trees become: the operations, one piece after the other, and of each tree its table and whether it is cut into pieces. */
interface LaidTrees {
  readonly operations: readonly Uint8Array[]
  readonly trees: readonly Pick<TreeOperations, 'table' | 'hasPieces'>[]
}

/** Lays at most `treesTogether` trees. */
type LayTrees = (trees: readonly PlacedTree[], lengths: Float64Array, geometry: Geometry) => LaidTrees

/** Tree after tree: few slots, so that many rows find room in the cache. */
const oneByOne: LayTrees = (trees, lengths, geometry) => {
  const laid = trees.map(({ tree, rankOf }, place) => layOperations(tree, lengths, geometry, place, rankOf))
  return { operations: laid.map(({ operations }) => operations), trees: laid }
}

/** All of them by kind, for few rows. */
const byKind: LayTrees = (trees, lengths, geometry) => {
  const isRoot = ({ tree }: PlacedTree) => tree.features.length === 1
  const viewed = trees.map((placed) => (isRoot(placed) ? null : viewWhole(placed.tree, lengths)))
  const views = viewed.map((one) => one?.view ?? null)
  return {
    operations: [layByKind(views, geometry, (place, node) => trees[place]!.rankOf(node))],
    trees: trees.map(({ tree }, place) => viewed[place] ?? layOperations(tree, lengths, geometry, place, () => 0)),
  }
}

/** Lays out a forest for which `canRank` holds. */
export function layRanked(forest: Forest): RankedForest {
  return lay(forest, rankedSize(forest.features, forest.splits.length), oneByOne)
}

/** The same for at most `mostFewRows` rows; no tree may have more than 256 leaves. */
export function layRankedForFew(forest: Forest): RankedForest {
  const { features, trees, offsets } = forest
  let nodes = 0
  for (let t = 0; t < trees; t++) nodes = Math.max(nodes, (offsets[t + 1] as number) - (offsets[t] as number))
  // More than there are operations.
  return lay(forest, { features, tileRows: mostFewRows, slots: (treesTogether * nodes) / 2 }, byKind)
}

function lay(forest: Forest, size: RankedSize, layTrees: LayTrees): RankedForest {
  const geometry = rankedGeometry(size)
  const lengths = averagePathLengths(forest.psi)
  const bytes = createBytes(geometry.forest)
  const distinct = distinctThresholds(forest)
  const ranks = thresholdRanks(forest, distinct)
  const grids = distinct.map((thresholds): FeatureGrid | null => {
    if (thresholds.length === 0) return null
    const { origin, scale, entries, firstStep, searchAll } = gridOf(thresholds)
    // The search may look behind the last threshold, and must not go there.
    const laid = new Float64Array(gridHeadBytes / 8 + thresholds.length + 2 * firstStep).fill(Number.POSITIVE_INFINITY)
    laid.set([origin, scale, entries.length - 1, roundingShift])
    laid.set(thresholds, gridHeadBytes / 8)
    return { grid: bytes.append(laid), buckets: bytes.append(entries), firstStep: 8 * firstStep, searchAll }
  })

  const layBatch = (first: number, end: number, maps: readonly Int8Array[]): RankedBatch => {
    const placed = Array.from({ length: end - first }, (_, place): PlacedTree => {
      const tree = treeOf(forest, first + place)
      const start = forest.offsets[first + place] as number
      const rankOf = (node: number) =>
        (maps[tree.features[node] as number] as Int8Array)[ranks[start + node] as number] as number
      return { tree, rankOf }
    })
    const { operations, trees } = layTrees(placed, lengths, geometry)
    // Whole numbers of sixteen bytes, so that nothing lies between them.
    const [from = 0] = operations.map(bytes.append)
    const to = from + operations.reduce((sum, { byteLength }) => sum + byteLength, 0)
    const places = Array.from({ length: treesTogether }, (_, place) => place)
    return {
      ...{ from, to },
      tables: places.map((place) => (trees[place] ? bytes.append(trees[place].table) : geometry.noTable)),
      whole: places.filter((place) => !trees[place]?.hasPieces),
    }
  }

  const groups = groupTrees(forest, distinct, ranks).map(({ from, to, maps }, _, all): RankedGroup => {
    const batches = Array.from({ length: Math.ceil((to - from) / treesTogether) }, (_, i) => {
      const first = from + i * treesTogether
      return layBatch(first, Math.min(to, first + treesTogether), maps)
    })
    const laidMaps = all.length > 1 ? maps.map((table) => bytes.append(table)) : []
    return { maps: laidMaps, batches, hasPieces: batches.some(({ whole }) => whole.length < treesTogether) }
  })
  return { size, grids, groups, bytes: bytes.join() }
}

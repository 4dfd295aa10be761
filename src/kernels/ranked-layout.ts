import { type Forest, treeOf } from './forest.ts'
import { averagePathLengths } from './path-length.ts'
import { type Geometry, rankedGeometry } from './ranked-geometry.ts'
import { layOperations } from './ranked-operations.ts'
import { distinctThresholds, gridOf, groupTrees, thresholdRanks } from './ranked-thresholds.ts'
import { gridHeadBytes, roundingShift } from './ranked-values-code.ts'
import { treesTogether } from './ranked-walk-code.ts'

/** What `rankValues` needs for a feature that is split somewhere. Addresses. */
export interface FeatureGrid {
  readonly grid: number
  readonly buckets: number
  readonly firstStep: number
  readonly searchAll: boolean
}

/** Operations [from, to) and the path length of each leaf. Addresses. */
export interface RankedTree {
  readonly from: number
  readonly to: number
  readonly table: number
  readonly hasPieces: boolean
}

export interface RankedGroup {
  /** Per feature: address of the table of `mapRanks`; none when this is the only group. */
  readonly maps: readonly number[]
  readonly trees: readonly RankedTree[]
  /** Whether some tree is cut into pieces. */
  readonly hasPieces: boolean
}

/** A forest as it lies in the kernel's memory from `geometry.forest` on. */
export interface RankedForest {
  readonly geometry: Geometry
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

/** Lays out a forest for which `canRank` holds. */
export function layRanked(forest: Forest): RankedForest {
  const geometry = rankedGeometry(forest.features, forest.splits.length)
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
  const groups = groupTrees(forest, distinct, ranks).map(({ from, to, maps }, _, all): RankedGroup => {
    const trees = Array.from({ length: to - from }, (_, i): RankedTree => {
      const tree = treeOf(forest, from + i)
      const first = forest.offsets[from + i] as number
      const rankOf = (node: number) =>
        (maps[tree.features[node] as number] as Int8Array)[ranks[first + node] as number] as number
      const { operations, table, ...rest } = layOperations(tree, lengths, geometry, i % treesTogether, rankOf)
      const at = bytes.append(operations)
      return { from: at, to: at + operations.byteLength, table: bytes.append(table), ...rest }
    })
    const laidMaps = all.length > 1 ? maps.map((table) => bytes.append(table)) : []
    return { maps: laidMaps, trees, hasPieces: trees.some(({ hasPieces }) => hasPieces) }
  })
  return { geometry, grids, groups, bytes: bytes.join() }
}

import { averagePathLengths, scoreFactor } from '../../../index.ts'
import { type Forest, treeOf } from '../../index.ts'
import { type RankedSize, rankedGeometry, rankedSize } from './geometry.ts'
import { layOperations } from './operations.ts'
import { distinctThresholds, gridOf, groupTrees, thresholdRanks } from './thresholds.ts'
import { gridHeadBytes, roundingShift } from './values-code.ts'
import { treesTogether } from './walk-code.ts'

/** What `rankValues` needs for a feature that is split somewhere. Addresses. */
interface FeatureGrid {
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

interface RankedGroup {
  /** Per feature: address of the table of `mapRanks`; none when this is the only group. */
  readonly maps: readonly number[]
  readonly batches: readonly RankedBatch[]
  /** Whether some tree is cut into pieces. */
  readonly hasPieces: boolean
}

/** A forest as it lies in the kernel's memory from `forest` of its geometry on: plain data. */
export interface RankedForest {
  readonly size: RankedSize
  /** See `scoreFactor`. */
  readonly factor: number
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

/**
 * Lays out a forest for which `canRank` holds.
 * @param maxRows rows that will be walked at once, at most
 */
export function layRanked(forest: Forest, maxRows?: number): RankedForest {
  const size = rankedSize(forest.features, forest.splits.length, maxRows)
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
    const trees = Array.from({ length: end - first }, (_, place) => {
      const tree = treeOf(forest, first + place)
      const start = forest.offsets[first + place]!
      const rankOf = (node: number) => (maps[tree.features[node]!] as Int8Array)[ranks[start + node]!] as number
      return layOperations(tree, lengths, geometry, place, rankOf)
    })
    // Whole numbers of sixteen bytes, so that nothing lies between them.
    const [from = 0] = trees.map(({ operations }) => bytes.append(operations))
    const to = from + trees.reduce((sum, { operations }) => sum + operations.byteLength, 0)
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
  return { size, factor: scoreFactor(forest.trees, forest.psi), grids, groups, bytes: bytes.join() }
}

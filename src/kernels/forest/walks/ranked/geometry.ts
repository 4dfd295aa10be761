import { treesTogether, vectorRows } from './walk-code.ts'

/** What decides where things lie in the kernel's memory. */
export interface RankedSize {
  readonly features: number
  /** Rows that go through all trees together: a multiple of `vectorRows`. */
  readonly tileRows: number
}

/** Leaves that a byte can number: of a tree, or of each of its pieces. */
export const pieceLeaves = 256
/** Pieces of a tree that a byte can number. */
export const maxPieces = 256
/** Leaves of a tree. */
export const maxLeaves = 4096
/** A tree of k leaves needs fewer than log2(k) slots when its operations come one after the other, from the bottom up. */
const maxSlots = 12
/** Rows of a tile for a forest that stays in a second-level cache, and for one of more nodes, which is read again for every tile. */
const maxTileRows = 2048
const maxTileRowsOfMany = 8192
const manyNodes = 50_000
/** Ranks of a tile, in bytes. With fewer, what lies together of a feature would be too short to be read quickly. */
const maxRankBytes = 2 * 1024 * 1024

/** Rows that are walked when there are so many: whole vectors. */
export const wholeVectors = (rows: number): number => Math.ceil(rows / vectorRows) * vectorRows

/**
 * As many rows as pay for the interpretation and keep what is read again and again in the cache.
 * @param maxRows rows that will be walked at once, at most
 */
export function rankedSize(features: number, nodes: number, maxRows: number = Number.POSITIVE_INFINITY): RankedSize {
  const fitting = Math.floor(maxRankBytes / features / vectorRows) * vectorRows
  const most = Math.min(nodes > manyNodes ? maxTileRowsOfMany : maxTileRows, wholeVectors(maxRows))
  return { features, tileRows: Math.max(vectorRows, Math.min(most, fitting)) }
}

export type Geometry = ReturnType<typeof rankedGeometry>

/** Where things of this size lie in the kernel's memory, by the byte. */
export function rankedGeometry({ features, tileRows }: RankedSize) {
  const sums = 8 * pieceLeaves
  const values = sums + 8 * tileRows
  const leaves = values + 8 * tileRows
  const pieces = leaves + treesTogether * tileRows
  const slots = pieces + treesTogether * tileRows
  const ranks = slots + maxSlots * tileRows
  const wideRanks = ranks + features * tileRows
  return {
    tileRows,
    /** Table of a tree that is not there: 256 times 0. */
    noTable: 0,
    /** One float64 per row. */
    sums,
    /** The values of one feature, one float64 per row. */
    values,
    /** Ranks among all thresholds of feature f, two bytes per row. */
    wideRanks: (f: number) => wideRanks + 2 * f * tileRows,
    /** Ranks of feature f among the thresholds of a group of trees, one byte per row. */
    ranks: (f: number) => ranks + f * tileRows,
    /** Leaf numbers of the t-th of the trees that are added together, one byte per row. */
    leaves: (t: number) => leaves + t * tileRows,
    /** Numbers of the pieces in which those leaves lie, where trees are cut. */
    pieces: (t: number) => pieces + t * tileRows,
    /** Leaf numbers of a subtree, one byte per row. */
    slot: (index: number) => slots + index * tileRows,
    /** Where the forest begins. */
    forest: wideRanks + 2 * features * tileRows,
  }
}

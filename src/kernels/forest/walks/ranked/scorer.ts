import { copierInto, keepPrepared } from '../../../index.ts'
import { type CopiedRows, copyColumn, type RowScoreInput, scoresFromSums } from '../../../scores/index.ts'
import { type Forest, forestDepth, treeOf } from '../../index.ts'
import { maxLeaves, maxPieces, pieceLeaves } from './geometry.ts'
import { layRanked, type RankedForest } from './layout.ts'
import { countLeaves, countPieces } from './operations.ts'
import { countPerFeature, maxByteThresholds, maxThresholds } from './thresholds.ts'
import { createRankedKernel, type RankedKernel } from './wasm.ts'

/** Prepared forests kept by one scorer, in bytes: some hundred and twenty of 100 trees and 256 rows. */
const maxKeptBytes = 48 * 1024 * 1024
/** Rows a forest has scored when it is prepared: that takes as long as it saves in some ten thousand, on a young thread in more. */
const defaultMinRows = 16_384
/** A forest that takes more is not worth it: its tables of ranks fall out of the cache. */
const maxForestBytes = 8 * 1024 * 1024
/** What is counted for a forest that is known not to be suited. */
const unsuitedBytes = 1024

/** Rows of a call below which going down trees that are cut into pieces is faster: they have many operations to find out. */
const minRowsOfPieces = 1024
/** With fewer, ranking the values of a row costs what the walk then saves on the trees, whatever the number of features. */
const minTrees = 3
/** To look at so many nodes costs what it costs to go down one level. */
const nodesPerLevel = 40

/** Rows from..to-1 of a block in any memory, and where their scores go; see `RowScoreInput`. */
export interface WalkedRows extends CopiedRows, Pick<RowScoreInput, 'from' | 'to' | 'scores'> {}

/** Whether the ranked walk of many rows is faster than going down the trees. */
export function paysToRank(forest: Forest): boolean {
  const { trees, splits } = forest
  const innerNodes = (splits.length - trees) / 2
  return trees >= minTrees && innerNodes <= nodesPerLevel * trees * Math.max(1, forestDepth(forest))
}

/** Whether the ranked walk has numbers for everything in a forest. */
export function canRank(forest: Forest): boolean {
  const { trees, features, splits } = forest
  if (countPerFeature(splits, features).some((count) => count > maxThresholds)) return false
  for (let t = 0; t < trees; t++) {
    const tree = treeOf(forest, t)
    const leaves = countLeaves(tree)
    if (leaves[0]! <= pieceLeaves) continue
    if (leaves[0]! > maxLeaves || countPieces(leaves) > maxPieces) return false
    if (countPerFeature(tree.features, features).some((count) => count > maxByteThresholds)) return false
  }
  return true
}

/** Whether some tree has more leaves than a byte can number, and is cut into pieces. */
export function hasPieces(forest: Forest): boolean {
  for (let t = 0; t < forest.trees; t++) {
    // Each inner node has two children.
    const nodes = forest.offsets[t + 1]! - forest.offsets[t]!
    if ((nodes + 1) / 2 > pieceLeaves) return true
  }
  return false
}

function prepare(forest: Forest): RankedForest | null {
  if (!paysToRank(forest) || !canRank(forest)) return null
  const laid = layRanked(forest)
  return laid.bytes.byteLength > maxForestBytes ? null : laid
}

/** Scores rows by the ranked walk. */
export function scoreRanked(kernel: RankedKernel, forest: RankedForest, rows: WalkedRows): void {
  const { from, to, scores, ...source } = rows
  kernel.load(forest)
  const values = kernel.values()
  const copy = copierInto(values)
  const { values: columns, stride } = source.block
  const { tileRows } = forest.size
  for (let start = from; start < to; start += tileRows) {
    const count = Math.min(tileRows, to - start)
    for (let f = 0; f < forest.grids.length; f++) {
      copy(columns, f * stride + start, count)
      if (kernel.rank(f, count) || kernel.isFinite(count)) continue
      copyColumn(source, f, start, count, values, 0, 1)
      kernel.rank(f, count)
    }
    kernel.sumPathLengths(scores.subarray(start, start + count))
  }
  scoresFromSums(scores, source.flags, from, to, forest.factor)
}

/**
 * Scores rows with forests by the ranked walk, keeping what it prepared within a bound of bytes.
 *
 * @param read turns a payload into a checked forest, or throws
 * @param minRows rows that have to be asked for before a forest is prepared
 */
export function createRankedScorer(read: (payload: Uint8Array) => Forest, minRows: number = defaultMinRows) {
  let kernel: RankedKernel | undefined
  const kept = keepPrepared<RankedForest | null>(maxKeptBytes, (one) => one?.bytes.byteLength ?? unsuitedBytes)
  return {
    /** Scores the rows and returns true, or returns false when forest or rows are not suited, or not worth it yet, and nothing was done. */
    score({ key, payload, ...rows }: RowScoreInput): boolean {
      const { from, to } = rows
      const prepared = kept.getFor(to - from, minRows, key, () => prepare(read(payload)))
      if (!prepared) return false
      if (to - from < minRowsOfPieces && prepared.groups.some(({ hasPieces }) => hasPieces)) return false
      kernel ??= createRankedKernel()
      scoreRanked(kernel, prepared, rows)
      return true
    },
  }
}

import type { Forest } from './forest.ts'
import { scoresFromSums } from './forest-scores.ts'
import { scoreFactor } from './path-length.ts'
import { keepPrepared } from './prepared.ts'
import { layRanked, type RankedForest } from './ranked-layout.ts'
import { canRank, paysToRank } from './ranked-suited.ts'
import { createRankedKernel, type RankedKernel } from './ranked-wasm.ts'
import type { RowScoreInput } from './row-scorer.ts'
import { cleanTile } from './tile.ts'

/** Prepared forests kept by one scorer, in bytes: some hundred and twenty of 100 trees and 256 rows. */
const mostKeptBytes = 48 * 1024 * 1024
/** Rows a forest has scored when it is prepared: that takes as long as it saves in some ten thousand, on a young thread in more. */
const leastRows = 16_384
/** A forest that takes more is not worth it: its tables of ranks fall out of the cache. */
const mostForestBytes = 8 * 1024 * 1024
/** What is counted for a forest that is known not to be suited. */
const unsuitedBytes = 1024

/** Rows of a call below which going down trees that are cut into pieces is faster: they have many operations to find out. */
const leastRowsOfPieces = 1024

interface Prepared {
  readonly laid: RankedForest
  /** See `scoreFactor`. */
  readonly factor: number
}

function prepare(forest: Forest): Prepared | null {
  if (!paysToRank(forest) || !canRank(forest)) return null
  const laid = layRanked(forest)
  if (laid.bytes.byteLength > mostForestBytes) return null
  return { laid, factor: scoreFactor(forest.trees, forest.psi) }
}

export interface RankedScorer {
  /** Scores the rows and returns true, or returns false when forest or rows are not suited, or not worth it yet, and nothing was done. */
  score(input: RowScoreInput): boolean
}

/**
 * Scores rows with forests by the ranked walk, keeping what it prepared within a bound of bytes.
 *
 * @param read turns a payload into a checked forest, or throws
 * @param least rows that have to be asked for before a forest is prepared
 */
export function createRankedScorer(read: (payload: Uint8Array) => Forest, least: number = leastRows): RankedScorer {
  let kernel: RankedKernel | undefined
  const kept = keepPrepared<Prepared | null>(mostKeptBytes, (one) => one?.laid.bytes.byteLength ?? unsuitedBytes)
  return {
    score({ key, payload, block, from, to, fill, scores, flags }) {
      const prepared = kept.getFor(to - from, least, key, () => prepare(read(payload)))
      if (!prepared) return false
      const { laid, factor } = prepared
      if (to - from < leastRowsOfPieces && laid.groups.some(({ hasPieces }) => hasPieces)) return false
      kernel ??= createRankedKernel()
      kernel.load(laid)
      const values = kernel.values()
      const { tileRows } = laid.geometry
      for (let start = from; start < to; start += tileRows) {
        const rows = Math.min(tileRows, to - start)
        for (let f = 0; f < laid.grids.length; f++) {
          const lane = f * block.stride + start
          values.set(block.values.subarray(lane, lane + rows))
          if (kernel.rank(f, rows) || kernel.isFinite(rows)) continue
          cleanTile(values, tileRows, 1, rows, fill === null ? null : fill.subarray(f, f + 1), flags, start)
          kernel.rank(f, rows)
        }
        kernel.sumPathLengths(scores.subarray(start, start + rows))
      }
      scoresFromSums(scores, flags, from, to, factor)
      return true
    },
  }
}

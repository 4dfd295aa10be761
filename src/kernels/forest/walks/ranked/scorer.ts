import { keepPrepared, scoreFactor } from '../../../index.ts'
import type { RowScoreInput } from '../../../scores/index.ts'
import type { Forest } from '../../index.ts'
import { layRanked } from './layout.ts'
import { type Ranked, scoreRanked } from './rows.ts'
import { canRank, paysToRank } from './suited.ts'
import { createRankedKernel, type RankedKernel } from './wasm.ts'

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

function prepare(forest: Forest): Ranked | null {
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
  const kept = keepPrepared<Ranked | null>(mostKeptBytes, (one) => one?.laid.bytes.byteLength ?? unsuitedBytes)
  return {
    score({ key, payload, ...rows }) {
      const { from, to } = rows
      const prepared = kept.getFor(to - from, least, key, () => prepare(read(payload)))
      if (!prepared) return false
      if (to - from < leastRowsOfPieces && prepared.laid.groups.some(({ hasPieces }) => hasPieces)) return false
      kernel ??= createRankedKernel()
      scoreRanked(kernel, prepared, rows)
      return true
    },
  }
}

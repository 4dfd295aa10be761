import { copierInto, keepPrepared, scoreFactor } from '../../../index.ts'
import { type CopiedRows, copyColumn, type RowScoreInput, scoresFromSums } from '../../../scores/index.ts'
import type { Forest } from '../../index.ts'
import { layRanked, type RankedForest } from './layout.ts'
import { canRank, paysToRank } from './suited.ts'
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

/** Rows from..to-1 of a block in any memory, and where their scores go; see `RowScoreInput`. */
export interface WalkedRows extends CopiedRows, Pick<RowScoreInput, 'from' | 'to' | 'scores'> {}

/** A forest that is scored by the ranked walk: plain data. */
export interface Ranked {
  readonly laid: RankedForest
  /** See `scoreFactor`. */
  readonly factor: number
}

function prepare(forest: Forest): Ranked | null {
  if (!paysToRank(forest) || !canRank(forest)) return null
  const laid = layRanked(forest)
  if (laid.bytes.byteLength > maxForestBytes) return null
  return { laid, factor: scoreFactor(forest.trees, forest.psi) }
}

/** Scores rows by the ranked walk. */
export function scoreRanked(
  kernel: RankedKernel,
  { laid, factor }: Ranked,
  { from, to, scores, ...source }: WalkedRows,
): void {
  kernel.load(laid)
  const values = kernel.values()
  const copy = copierInto(values)
  const { values: columns, stride } = source.block
  const { tileRows } = laid.size
  for (let start = from; start < to; start += tileRows) {
    const rows = Math.min(tileRows, to - start)
    for (let f = 0; f < laid.grids.length; f++) {
      copy(columns, f * stride + start, rows)
      if (kernel.rank(f, rows) || kernel.isFinite(rows)) continue
      copyColumn(source, f, start, rows, values, 0, 1)
      kernel.rank(f, rows)
    }
    kernel.sumPathLengths(scores.subarray(start, start + rows))
  }
  scoresFromSums(scores, source.flags, from, to, factor)
}

/**
 * Scores rows with forests by the ranked walk, keeping what it prepared within a bound of bytes.
 *
 * @param read turns a payload into a checked forest, or throws
 * @param minRows rows that have to be asked for before a forest is prepared
 */
export function createRankedScorer(read: (payload: Uint8Array) => Forest, minRows: number = defaultMinRows) {
  let kernel: RankedKernel | undefined
  const kept = keepPrepared<Ranked | null>(maxKeptBytes, (one) => one?.laid.bytes.byteLength ?? unsuitedBytes)
  return {
    /** Scores the rows and returns true, or returns false when forest or rows are not suited, or not worth it yet, and nothing was done. */
    score({ key, payload, ...rows }: RowScoreInput): boolean {
      const { from, to } = rows
      const prepared = kept.getFor(to - from, minRows, key, () => prepare(read(payload)))
      if (!prepared) return false
      if (to - from < minRowsOfPieces && prepared.laid.groups.some(({ hasPieces }) => hasPieces)) return false
      kernel ??= createRankedKernel()
      scoreRanked(kernel, prepared, rows)
      return true
    },
  }
}

import type { Forest } from './forest.ts'
import { scoresFromSums } from './forest-scores.ts'
import { averagePathLengths, scoreFactor } from './path-length.ts'
import { keepPrepared } from './prepared.ts'
import type { RowScoreInput } from './row-scorer.ts'
import { cleanTile, copyTile } from './tile.ts'
import { type ForestPlan, layRun, planForest } from './traverse-layout.ts'
import { createKernel } from './traverse-wasm.ts'

/** Rows from which on it pays to prepare a forest. */
const leastRows = 512
/** Prepared forests kept by one scorer, in bytes: some fifty of 100 trees and 256 rows. */
const mostKeptBytes = 32 * 1024 * 1024

/** Measured from 1 to 2,000 features: a larger tile is slower, and a much smaller one too. */
const mostTileBytes = 128 * 1024

interface PreparedForest {
  readonly plan: ForestPlan
  readonly features: number
  readonly tileRows: number
  /** See `scoreFactor`. */
  readonly factor: number
  /** The bytes of a run of trees. */
  run(index: number): Uint8Array
}

/**
 * Rows that go through all trees together: as many as keep the tile in the cache beside a tree. Large
 * padded trees are copied before they are walked, and more rows share the cost.
 */
function tileRowsFor(features: number, plan: ForestPlan): number {
  const fitting = 2 ** Math.floor(Math.log2(mostTileBytes / (8 * features)))
  return Math.max(32, Math.min(plan.paddedDepth > 8 ? 1024 : 256, fitting))
}

/** Reads and lays out a forest; one that is too large to keep is laid out again run by run, whenever it is needed. */
function prepare(forest: Forest): PreparedForest {
  const { features, trees, psi } = forest
  const plan = planForest(forest)
  const tileRows = tileRowsFor(features, plan)
  const lengths = averagePathLengths(psi)
  const lay = (index: number) =>
    layRun(forest, plan, plan.runs[index] as ForestPlan['runs'][number], lengths, 8 * tileRows)
  const factor = scoreFactor(trees, psi)
  if (plan.bytes > mostKeptBytes) return { plan, features, tileRows, factor, run: lay }
  // The runs alone are kept, so that the payload can go when the service drops it.
  const runs = plan.runs.map((_, index) => lay(index))
  return { plan, features, tileRows, factor, run: (index) => runs[index] as Uint8Array }
}

export interface TraverseScorer {
  /** Scores the rows and returns true, or returns false when preparing the forest would not pay yet, and nothing was done. */
  score(input: RowScoreInput): boolean
}

/**
 * Scores rows of any forest by walking its trees, keeping what it prepared within a bound of bytes (the
 * forests used longest ago go first).
 *
 * @param read turns a payload into a checked forest, or throws
 * @param least rows that have to be asked for before a forest is prepared
 */
export function createTraverseScorer(read: (payload: Uint8Array) => Forest, least: number = leastRows): TraverseScorer {
  const kernel = createKernel()
  const kept = keepPrepared<PreparedForest>(mostKeptBytes, ({ plan }) => plan.bytes)
  /** What lies in the kernel's memory. */
  let loaded: { prepared: PreparedForest; index: number } | undefined

  function load(prepared: PreparedForest, index: number): void {
    if (loaded?.prepared === prepared && loaded.index === index) return
    kernel.loadTrees(prepared.run(index), prepared.features, prepared.tileRows)
    loaded = { prepared, index }
  }

  return {
    score({ key, payload, block, from, to, fill, scores, flags }) {
      const prepared = kept.getFor(to - from, least, key, () => prepare(read(payload)))
      if (!prepared) return false
      const { plan, features, tileRows, factor } = prepared
      // The scores serve as the sums until every run of trees was walked.
      scores.fill(0, from, to)
      for (let index = 0; index < plan.runs.length; index++) {
        load(prepared, index)
        const tile = kernel.tile(features, tileRows)
        for (let start = from; start < to; start += tileRows) {
          const rows = Math.min(tileRows, to - start)
          copyTile(block, start, rows, features, tile, tileRows)
          if (!kernel.isFinite(features, tileRows)) cleanTile(tile, tileRows, features, rows, fill, flags, start)
          kernel.addPathLengths(plan.paddedDepth, features, tileRows, scores.subarray(start, start + rows))
        }
      }
      scoresFromSums(scores, flags, from, to, factor)
      return true
    },
  }
}

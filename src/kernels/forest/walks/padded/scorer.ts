import { keepPrepared } from '../../../index.ts'
import { type RowScoreInput, scoresFromSums } from '../../../scores/index.ts'
import type { Forest } from '../../index.ts'
import { runsOf, shapeWalk, type WalkShape, walkRows } from './prepared.ts'
import { createKernel } from './wasm.ts'

/** Rows from which on it pays to prepare a forest. */
const leastRows = 512
/** Prepared forests kept by one scorer, in bytes: some fifty of 100 trees and 256 rows. */
const mostKeptBytes = 32 * 1024 * 1024

interface PreparedForest {
  readonly shape: WalkShape
  /** The bytes of a run of trees. */
  run(index: number): Uint8Array
}

/** Reads and lays out a forest; one that is too large to keep is laid out again run by run, whenever it is needed. */
function prepare(forest: Forest): PreparedForest {
  const shape = shapeWalk(forest)
  const lay = runsOf(forest, shape)
  if (shape.plan.bytes > mostKeptBytes) return { shape, run: lay }
  // The runs alone are kept, so that the payload can go when the service drops it.
  const runs = shape.plan.runs.map((_, index) => lay(index))
  return { shape, run: (index) => runs[index] as Uint8Array }
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
  const kept = keepPrepared<PreparedForest>(mostKeptBytes, ({ shape }) => shape.plan.bytes)
  /** What lies in the kernel's memory. */
  let loaded: { prepared: PreparedForest; index: number } | undefined

  function load(prepared: PreparedForest, index: number): void {
    if (loaded?.prepared === prepared && loaded.index === index) return
    const { features, tileRows } = prepared.shape
    kernel.loadTrees(prepared.run(index), features, tileRows)
    loaded = { prepared, index }
  }

  return {
    score({ key, payload, ...rows }) {
      const { from, to, scores, flags } = rows
      const prepared = kept.getFor(to - from, least, key, () => prepare(read(payload)))
      if (!prepared) return false
      const { shape } = prepared
      // The scores serve as the sums until every run of trees was walked.
      scores.fill(0, from, to)
      for (let index = 0; index < shape.plan.runs.length; index++) {
        load(prepared, index)
        walkRows(kernel, shape, rows)
      }
      scoresFromSums(scores, flags, from, to, shape.factor)
      return true
    },
  }
}

/**
 * Few rows are scored where they are, on the main thread, where that takes less of its time than to send them to a thread and be
 * woken by the answer: in some hundred microseconds at most. What a model needs for it is prepared by a thread, once calls of few
 * rows have come for it again and again.
 */
import { findDetector, type PreparedForFew, type ScoreFew } from '../detectors/index.ts'
import { type Block, keepPrepared } from '../kernels/index.ts'
import { raiseOutside } from '../kernels/scores/index.ts'
import type { BlockScores, ScoringModel } from './types.ts'

/** Calls of a model after which it is prepared: a call saves a tenth of a millisecond or two, the preparation takes ten, on a young thread a hundred. */
const leastCalls = 64
/** Prepared models that are kept, in bytes: some twenty forests of 100 trees and 256 rows. */
const mostKeptBytes = 32 * 1024 * 1024
/** More rows are for the threads, whatever the model. */
const mostRows = 128
/** Larger payloads are for the threads, whatever the detector. */
const mostPayloadBytes = 2 * 1024 * 1024

/** A model that calls of few rows came for. */
interface Known extends Pick<PreparedForFew, 'bytes' | 'mostRows'> {
  readonly score: ScoreFew
}

/** A model that is being prepared, or is not suited. */
const forThreads: Known = {
  ...{ bytes: 1024, mostRows: 0 },
  score() {
    throw new Error('the model is not prepared')
  },
}

/** Scores few rows without a thread. */
export interface FewScoring {
  /** Notes that a call of so many rows came for a model; what they came for often enough is prepared. */
  count(model: ScoringModel, rows: number): void
  /** Whether so many rows of a model can be scored here now. */
  takes(model: ScoringModel, rows: number): boolean
  /**
   * Scores all rows of a block, which may lie in any memory, and which `takes` has said yes to.
   * @param into one score and one mark per row, the marks being 0 before
   * @returns the seconds it took
   */
  score(model: ScoringModel, block: Block<ArrayBufferLike>, into: Pick<BlockScores, 'scores' | 'flags'>): number
}

/** @param prepare has a thread prepare a model; may reject */
export function createFewScoring(prepare: (model: ScoringModel) => Promise<PreparedForFew | null>): FewScoring {
  const kept = keepPrepared<Known>(mostKeptBytes, ({ bytes }) => bytes)

  /** Has the model prepared; until then, and if that fails, its calls are for the threads. */
  function begin(model: ScoringModel): Known {
    const { fewRows } = findDetector(model.detector)
    if (fewRows)
      prepare(model)
        .then((prepared) => {
          if (!prepared) return
          // Not the laid out model itself: what it opened to has a copy.
          const { bytes, mostRows: most } = prepared
          kept.put(model.key, { bytes, mostRows: most, score: fewRows.open(prepared.model) })
        })
        .catch(() => undefined)
    return forThreads
  }

  return {
    count(model, rows) {
      if (rows > mostRows || model.entities !== undefined || model.payload.byteLength > mostPayloadBytes) return
      kept.getFor(1, leastCalls, model.key, () => begin(model))
    },
    takes: ({ key }, rows) => rows <= Math.min(kept.peek(key)?.mostRows ?? 0, mostRows),
    score({ key, fill, guards = null }, block, { scores, flags }) {
      const start = performance.now()
      const { rows } = block
      const known = kept.peek(key) ?? forThreads
      known.score({ block, from: 0, to: rows, fill, scores, flags })
      if (guards !== null) raiseOutside(guards, block, 0, rows, scores)
      return (performance.now() - start) / 1000
    },
  }
}

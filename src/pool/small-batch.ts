/**
 * A small batch is scored where it is, on the main thread, where that takes less of its time than to send it to a thread and be
 * woken by the answer: in some hundred microseconds at most. A thread prepares what that needs of a model, once small batches
 * have come for the model again and again.
 */
import { findDetector, type PreparedForSmallBatch, type ScoreSmallBatch } from '../detectors/index.ts'
import { type Block, keepPrepared } from '../kernels/index.ts'
import { raiseOutside } from '../kernels/scores/index.ts'
import type { BlockScores, ScoringModel } from './types.ts'

/** Calls of a model after which it is prepared: a call saves a tenth of a millisecond or two, the preparation takes ten, on a young thread a hundred. */
const minCalls = 64
/** Prepared models that are kept, in bytes: some twenty forests of 100 trees and 256 rows. */
const maxKeptBytes = 32 * 1024 * 1024
/** More rows are for the threads, whatever the model. */
const maxRows = 128
/** Larger payloads are for the threads, whatever the detector. */
const maxPayloadBytes = 2 * 1024 * 1024

/** A model that small batches came for. */
interface Known extends Pick<PreparedForSmallBatch, 'bytes' | 'maxRows'> {
  readonly score: ScoreSmallBatch
}

/** A model that is being prepared, or is not suited. */
const forThreads: Known = {
  ...{ bytes: 1024, maxRows: 0 },
  score() {
    throw new Error('the model is not prepared')
  },
}

export type SmallBatchScoring = ReturnType<typeof createSmallBatchScoring>

/** Scores small batches without a thread. @param prepare has a thread prepare a model; may reject */
export function createSmallBatchScoring(prepare: (model: ScoringModel) => Promise<PreparedForSmallBatch | null>) {
  const kept = keepPrepared<Known>(maxKeptBytes, ({ bytes }) => bytes)

  /** Has the model prepared; until then, and if that fails, its calls are for the threads. */
  function begin(model: ScoringModel): Known {
    const { smallBatches } = findDetector(model.detector)
    if (smallBatches)
      prepare(model)
        .then((prepared) => {
          if (!prepared) return
          // Not the laid out model itself: what it opened to has a copy.
          const { bytes, maxRows: rows } = prepared
          kept.put(model.key, { bytes, maxRows: rows, score: smallBatches.open(prepared.model) })
        })
        .catch(() => undefined)
    return forThreads
  }

  return {
    /** Notes that a call of so many rows came for a model; once they came often enough it is prepared. */
    count(model: ScoringModel, rows: number): void {
      if (rows > maxRows || model.entities !== undefined || model.payload.byteLength > maxPayloadBytes) return
      kept.getFor(1, minCalls, model.key, () => begin(model))
    },
    /** Whether so many rows of a model can be scored here now. */
    takes: ({ key }: ScoringModel, rows: number): boolean => rows <= Math.min(kept.peek(key)?.maxRows ?? 0, maxRows),
    /**
     * Scores all rows of a block, which may lie in any memory, and which `takes` has said yes to.
     * @param into one score and one mark per row, the marks being 0 before
     * @returns the seconds it took
     */
    score(
      { key, fill, guards = null }: ScoringModel,
      block: Block<ArrayBufferLike>,
      { scores, flags }: Pick<BlockScores, 'scores' | 'flags'>,
    ): number {
      const start = performance.now()
      const { rows } = block
      const known = kept.peek(key) ?? forThreads
      known.score({ block, from: 0, to: rows, fill, scores, flags })
      if (guards !== null) raiseOutside(guards, block, 0, rows, scores)
      return (performance.now() - start) / 1000
    },
  }
}

import { type Block, keepPrepared } from '../index.ts'
import { rowMarks } from '../models/index.ts'
import { copyColumn } from './tile.ts'

/** A model that scores whole rows, prepared for one thread. */
export interface RowModel {
  /** Columns of a row. */
  readonly features: number
  /** Bytes it keeps in memory. */
  readonly bytes: number
  /**
   * Scores rows: feature f of row r is `tile[r * features + f]`, every value finite. A row's score depends on that
   * row alone, and is in [0, 1].
   * @param scores one per row, written
   */
  score(tile: Float64Array, rows: number, scores: Float64Array): void
}

/** What is scored: rows from..to-1 of a block with the model in `payload`, whose features are the first columns. */
export interface RowScoreInput {
  /** Names the payload; the scorer may keep what it prepared under this key. */
  readonly key: string
  readonly payload: Uint8Array
  readonly block: Block
  readonly from: number
  readonly to: number
  /** Value per feature that stands in for one that is not finite; null = such a row is not scored. */
  readonly fill: Float64Array | null
  /** One score per row of the block; only from..to-1 are written: in [0, 1], NaN where the row cannot be scored. */
  readonly scores: Float64Array
  /** One mark per row of the block, 0 before; see `rowMarks`. */
  readonly flags: Uint8Array
}

/** Prepared models kept by one scorer, in bytes. */
const maxKeptBytes = 32 * 1024 * 1024
/** Doubles of a tile: stays in the cache beside a model. */
const tileValues = 4096

/**
 * Scores rows in one thread with models that look at whole rows, keeping what it prepared within a bound of bytes.
 *
 * @param read turns a payload into a checked model, or throws
 */
export function createRowScorer(read: (payload: Uint8Array) => RowModel): { score(input: RowScoreInput): void } {
  const kept = keepPrepared<RowModel>(maxKeptBytes, ({ bytes }) => bytes)
  let tile = new Float64Array(tileValues)
  return {
    score({ key, payload, from, to, scores, ...source }) {
      const model = kept.get(key, () => read(payload))
      const { features } = model
      const tileRows = Math.max(8, Math.floor(tileValues / features))
      if (tile.length < tileRows * features) tile = new Float64Array(tileRows * features)
      for (let start = from; start < to; start += tileRows) {
        const rows = Math.min(tileRows, to - start)
        for (let f = 0; f < features; f++) copyColumn(source, f, start, rows, tile, f, features)
        model.score(tile, rows, scores.subarray(start, start + rows))
      }
      for (let r = from; r < to; r++) if (source.flags[r]! > rowMarks.filled) scores[r] = Number.NaN
    },
  }
}

import { keepPrepared } from '../../../index.ts'
import { type CopiedRows, copyTile, type RowScoreInput, scoresFromSums } from '../../../scores/index.ts'
import type { Forest } from '../../index.ts'
import { createLinkedKernel, type LinkedKernel } from './kernel.ts'
import { type LinkedShape, layLinked, linkedBytes, shapeOf } from './layout.ts'

/** Rows from which on it pays to prepare a forest. */
const defaultMinRows = 512
/** Prepared forests kept by one scorer, in bytes: some sixty of 100 trees and 256 rows. A larger one is not prepared. */
const maxKeptBytes = 32 * 1024 * 1024
/** What is counted for a forest that is known to be too large. */
const unsuitedBytes = 1024

interface Prepared {
  readonly shape: LinkedShape
  readonly bytes: Uint8Array
}

/** The payload is not kept, so that it can go when the service drops it. */
function prepare(forest: Forest): Prepared | null {
  const length = linkedBytes(forest)
  if (length > maxKeptBytes) return null
  const [shape, bytes] = [shapeOf(forest), new Uint8Array(length)]
  layLinked(forest, bytes, 8 * shape.tileRows)
  return { shape, bytes }
}

/** Rows from..to-1 of a block in any memory, and where their scores go; see `RowScoreInput`. */
export interface WalkedRows extends CopiedRows, Pick<RowScoreInput, 'from' | 'to' | 'scores'> {}

/** Scores rows with the forest that lies in the kernel's memory. */
export function scoreLinked(
  kernel: LinkedKernel,
  { features, tileRows, factor }: LinkedShape,
  { from, to, scores, ...source }: WalkedRows,
): void {
  scores.fill(0, from, to)
  for (let start = from; start < to; start += tileRows) {
    const rows = Math.min(tileRows, to - start)
    copyTile(source, start, rows, features, kernel.tile(), tileRows)
    kernel.addPathLengths(scores, start, rows)
  }
  scoresFromSums(scores, source.flags, from, to, factor)
}

/**
 * Scores rows of forests by the linked walk, keeping what it prepared within a bound of bytes.
 *
 * @param read turns a payload into a checked forest, or throws
 * @param minRows rows that have to be asked for before a forest is prepared
 */
export function createLinkedScorer(read: (payload: Uint8Array) => Forest, minRows: number = defaultMinRows) {
  const kernel = createLinkedKernel()
  const kept = keepPrepared<Prepared | null>(maxKeptBytes, (one) => one?.bytes.byteLength ?? unsuitedBytes)
  /** What lies in the kernel's memory. */
  let loaded: Prepared | undefined
  return {
    /** Scores the rows and returns true, or returns false when preparing the forest would not pay yet, and nothing was done. */
    score({ key, payload, ...rows }: RowScoreInput): boolean {
      const prepared = kept.getFor(rows.to - rows.from, minRows, key, () => prepare(read(payload)))
      if (!prepared) return false
      if (loaded !== prepared) kernel.load(prepared.bytes, prepared.shape)
      loaded = prepared
      scoreLinked(kernel, prepared.shape, rows)
      return true
    },
  }
}

import { keepPrepared } from '../../../index.ts'
import type { RowScoreInput } from '../../../scores/index.ts'
import type { Forest } from '../../index.ts'
import { createLinkedKernel } from './kernel.ts'
import { layLinked, linkedBytes } from './layout.ts'
import { scoreLinked } from './rows.ts'
import { type LinkedShape, shapeOf } from './shape.ts'

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

export interface LinkedScorer {
  /** Scores the rows and returns true, or returns false when preparing the forest would not pay yet, and nothing was done. */
  score(input: RowScoreInput): boolean
}

/**
 * Scores rows of forests by the linked walk, keeping what it prepared within a bound of bytes.
 *
 * @param read turns a payload into a checked forest, or throws
 * @param minRows rows that have to be asked for before a forest is prepared
 */
export function createLinkedScorer(
  read: (payload: Uint8Array) => Forest,
  minRows: number = defaultMinRows,
): LinkedScorer {
  const kernel = createLinkedKernel()
  const kept = keepPrepared<Prepared | null>(maxKeptBytes, (one) => one?.bytes.byteLength ?? unsuitedBytes)
  /** What lies in the kernel's memory. */
  let loaded: Prepared | undefined
  return {
    score({ key, payload, ...rows }) {
      const prepared = kept.getFor(rows.to - rows.from, minRows, key, () => prepare(read(payload)))
      if (!prepared) return false
      if (loaded !== prepared) kernel.load(prepared.bytes, prepared.shape)
      loaded = prepared
      scoreLinked(kernel, prepared.shape, rows)
      return true
    },
  }
}

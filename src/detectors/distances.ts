/** What detectors that measure a distance between rows have in common: one sample, one piece, rows in units of the features. */
import { distanceScore } from '../kernels/index.ts'
import { type Standardised, standardiseRow } from '../kernels/models/index.ts'
import type { RowModel } from '../kernels/scores/index.ts'
import type { JoinInput, TreeNode } from './detector.ts'
import { requireFeatures, requireTree } from './settings.ts'

interface DistanceModel extends Standardised {
  readonly features: number
}

/** Members of a detector that are the same for every distance. @param read checks a payload and reads it */
export function distanceMembers(read: (payload: Uint8Array) => DistanceModel) {
  return {
    autoThreshold: null,
    isCalibrated: false,
    reservoirs: ({ sampleSize }: { readonly sampleSize: number }) => ({ count: 1, size: sampleSize }),
    pieces: () => 1,
    join: ({ pieces }: JoinInput) => (pieces[0] as Uint8Array).slice(),
    check: (payload: Uint8Array, features: number) => requireFeatures(read(payload).features, features),
    tree(payload: Uint8Array, index: number): TreeNode[] {
      read(payload)
      requireTree(index, 0)
      return []
    },
  }
}

/**
 * Scores rows by `distanceScore`.
 * @param bytes what the model keeps in memory
 * @param unit a distance that is ordinary, above 0
 * @param distanceOf the distance of a standardised row, which it may overwrite
 */
export function distanceRows(
  model: DistanceModel,
  bytes: number,
  unit: number,
  distanceOf: (row: Float64Array) => number,
): RowModel {
  const { features } = model
  const row = new Float64Array(model.columns.length)
  return {
    features,
    bytes,
    score(tile, rows, scores) {
      for (let r = 0; r < rows; r++) {
        standardiseRow(model, tile, r * features, row)
        const distance = distanceOf(row)
        // Only damaged numbers can make it anything else than finite.
        scores[r] = distanceScore(distance < Number.MAX_VALUE ? distance : Number.MAX_VALUE, unit)
      }
    },
  }
}

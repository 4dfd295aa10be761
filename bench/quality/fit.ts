/** A detector fitted and used in this process, as the service does it on threads: samples, pieces, payload, scores. */
import type { Detector, DetectorParams } from '../../src/detectors/detector.ts'
import type { Block } from '../../src/kernels/block.ts'
import { type Profile, profileBlock, varyingColumns } from '../../src/kernels/models/profile.ts'
import { streams } from '../../src/kernels/sampling/random.ts'
import { createReservoir, sampleOf } from '../../src/kernels/sampling/reservoir.ts'
import type { Matrix } from '../matrix.ts'

export interface Fitted {
  readonly payload: Uint8Array
  readonly profile: Profile
  readonly seconds: number
}

/** One block of all rows. */
export function wholeBlock({ rows, columns }: Matrix): Block {
  const values = new Float64Array(new SharedArrayBuffer(8 * rows * columns.length))
  columns.forEach((column, f) => {
    values.set(column, f * rows)
  })
  return { values, stride: rows, rows, columns: columns.length }
}

/** Fits a detector to rows whose values are all finite. @param measured see `TrainingShape` */
export function fitDetector(
  detector: Detector,
  params: DetectorParams,
  block: Block,
  seed: number,
  measured?: number,
): Fitted {
  const started = performance.now()
  const { columns, rows } = block
  const { count, size: most } = detector.reservoirs(params)
  const size = Math.min(most, rows)
  const values = new Float64Array(new SharedArrayBuffer(8 * count * size * columns))
  for (let k = 0; k < count; k++) {
    const place = values.subarray(k * size * columns, (k + 1) * size * columns)
    createReservoir({ values: place, columns, size, seed, stream: streams.sample(k) }).offer(block, null, rows)
  }
  const samples = { values, count, size, columns, filled: size }
  const profile = profileBlock(block, columns)
  const varying = varyingColumns(profile)
  const { effective } = detector.resolve(params, { rows, features: columns, measured })
  const pieces = Array.from({ length: detector.pieces(effective) }, (_, piece) =>
    detector.fitPiece({
      sample: sampleOf(samples, count === 1 ? 0 : piece),
      piece,
      effective,
      seed,
      varying,
      deviations: profile.std,
    }),
  )
  const payload = detector.join({ pieces, effective, seed, features: columns, samples })
  return { payload, profile, seconds: (performance.now() - started) / 1000 }
}

/** Scores of all rows. */
export function scoreBlock(detector: Detector, payload: Uint8Array, block: Block): Float64Array {
  const scores = new Float64Array(block.rows)
  const flags = new Uint8Array(block.rows)
  detector.createScorer().score({ key: 'bench', payload, block, from: 0, to: block.rows, fill: null, scores, flags })
  return scores
}

/** Trains a detector on rows in one thread, as the service does on several. */
import type { Detector, DetectorParams, FitInput } from '../../src/detectors/detector.ts'
import type { Block } from '../../src/kernels/block.ts'
import { profileBlock, varyingColumns } from '../../src/kernels/models/profile.ts'
import { streams } from '../../src/kernels/sampling/random.ts'
import { createReservoir, type SampleSet, sampleOf } from '../../src/kernels/sampling/reservoir.ts'

/** The smallest settings of a detector: its defaults. */
export function defaultsOf(detector: Detector, changes: object = {}): DetectorParams {
  return detector.params.parse({ type: detector.id, ...changes })
}

function drawSamples(detector: Detector, params: DetectorParams, block: Block, seed: number): SampleSet {
  const { count, size } = detector.reservoirs(params)
  const columns = block.columns
  const values = new Float64Array(new SharedArrayBuffer(8 * count * size * columns))
  let filled = 0
  for (let k = 0; k < count; k++) {
    const place = values.subarray(k * size * columns, (k + 1) * size * columns)
    const reservoir = createReservoir({ values: place, columns, size, seed, stream: streams.sample(k) })
    reservoir.offer(block, null, block.rows)
    filled = reservoir.filled
  }
  return { values, count, size, columns, filled }
}

export function train(detector: Detector, block: Block, seed = 1, changes: object = {}, measured?: number) {
  const params = defaultsOf(detector, changes)
  const samples = drawSamples(detector, params, block, seed)
  const profile = profileBlock(block, block.columns)
  const varying = varyingColumns(profile)
  const deviations = profile.std
  const { effective, warnings } = detector.resolve(params, { rows: block.rows, features: block.columns, measured })
  const pieces = Array.from({ length: detector.pieces(effective) }, (_, piece) => {
    const sample = sampleOf(samples, samples.count === 1 ? 0 : piece)
    const input: FitInput = { sample, piece, effective, seed, varying, deviations }
    return detector.fitPiece(input)
  })
  const payload = detector.join({ pieces, effective, seed, features: block.columns, samples })
  return { payload, effective, warnings, samples, varying, deviations }
}

export function scoreAll(detector: Detector, payload: Uint8Array, block: Block, fill: Float64Array | null = null) {
  const scores = new Float64Array(block.rows)
  const flags = new Uint8Array(block.rows)
  detector.createScorer().score({ key: 'a', payload, block, from: 0, to: block.rows, fill, scores, flags })
  return { scores, flags }
}

/** Whether two payloads are the same; far quicker than `toEqual` on arrays of this length. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

import { z } from 'zod'
import {
  createNeighbourSearch,
  decodeNumbers,
  encodeNumbers,
  layReference,
  numbersBytes,
  readStandardised,
  type Standardised,
  standardisedFor,
  standardisedRows,
} from '../kernels/models/index.ts'
import { createRowScorer } from '../kernels/scores/index.ts'
import type { Detector } from './detector.ts'
import { distanceMembers, distanceRows } from './distances.ts'
import { clampSample, readPayload, sampleSizeSetting, seed } from './settings.ts'

const id = 'k-nearest-neighbours'
const maxReference = 16_384
const maxNeighbours = 64
/** Rows from which the unit of distance is taken. */
const unitRows = 256

const params = z
  .strictObject({
    type: z.literal(id),
    neighbours: z
      .int()
      .min(1)
      .max(maxNeighbours)
      .default(5)
      .describe('Nearest training rows whose distances are averaged'),
    sampleSize: sampleSizeSetting('Training rows that are kept to compare with', maxReference, 2048),
    seed,
  })
  .meta({
    title: 'Distance to the nearest neighbours',
    examples: [{ type: id, neighbours: 5, sampleSize: 2048, seed: 42 }],
  })

// 'DWNN' read as a little-endian word
const magic = 0x4e4e_5744

interface Model extends Standardised {
  readonly features: number
  readonly neighbours: number
  /** The median distance of reference rows from their own neighbours. */
  readonly unit: number
  /** Rows in the units of the features, row-major. */
  readonly reference: Float64Array
}

/** Reference rows that all lie upon each other have no distance: one unit of a feature stands in. */
function unitOf(reference: Float64Array, columns: number, neighbours: number): number {
  if (columns === 0) return 1
  const meanDistance = createNeighbourSearch()
  const near = layReference(reference, columns)
  const count = Math.min(unitRows, near.rows)
  const distances = Float64Array.from({ length: count }, (_, i) => {
    const r = Math.floor((i * near.rows) / count)
    return meanDistance(near, reference.subarray(r * columns, (r + 1) * columns), neighbours, r)
  }).sort()
  const middle = distances[count >> 1] as number
  return middle > 0 ? middle : 1
}

function decode(payload: Uint8Array): Model {
  const numbers = decodeNumbers(payload, magic, 1)
  const [features, count, neighbours, rows, ...rest] = numbers.words
  if (features < 1 || features > 65_535 || count > features || rest.some((word) => word !== 0))
    throw new RangeError('the head is not valid')
  if (rows < 2 || rows > maxReference || neighbours < 1 || neighbours > maxNeighbours || neighbours >= rows)
    throw new RangeError('the number of rows or neighbours is out of range')
  const units = readStandardised(numbers, count, features)
  const unit = numbers.next(1)[0] as number
  if (!(unit > 0)) throw new RangeError('the unit is not valid')
  const reference = numbers.next(count * rows)
  numbers.end()
  return { features, ...units, neighbours, unit, reference }
}

const read = (payload: Uint8Array) => readPayload(decode, payload)

/**
 * The mean distance of a row to its nearest neighbours in a bounded sample of the training rows, features in their own
 * units (`robustScale`): it sees a row that is strange beside its own kind, however many kinds there are. The score is
 * L / (1 + L), L = ln(1 + distance / median distance in training).
 */
export const detector: Detector<z.output<typeof params>> = {
  id,
  title: 'Distance to the nearest neighbours',
  paper:
    'Angiulli, F. and Pizzuti, C. (2002), Fast Outlier Detection in High Dimensional Spaces, PKDD; Ramaswamy, S., Rastogi, R. and Shim, K. (2000), SIGMOD',
  params,
  ...distanceMembers(read),
  maxBytes: ({ sampleSize }, features) => 4 * numbersBytes(features * (sampleSize + 3) + 1),
  resolve(given, { rows }) {
    const sampleSize = clampSample(given.sampleSize, rows, 'A comparison with neighbours')
    // A reference row has one neighbour less, itself.
    const neighbours = Math.min(given.neighbours, sampleSize - 1)
    const warnings = []
    if (neighbours < given.neighbours) {
      const detail = `There are ${sampleSize} rows to compare with: ${neighbours} neighbours are used.`
      warnings.push({ code: 'neighbours_clamped', detail })
    }
    return { effective: { type: id, neighbours, sampleSize }, warnings }
  },
  fitPiece({ sample, effective, varying, deviations }) {
    const neighbours = effective['neighbours'] as number
    const units = standardisedFor(sample, varying, deviations)
    const reference = standardisedRows(sample, units)
    const unit = unitOf(reference, varying.length, neighbours)
    const parts = [units.columns, units.centre, units.spread, Float64Array.of(unit), reference]
    return encodeNumbers(magic, 1, [sample.columns, varying.length, neighbours, sample.filled, 0, 0], parts)
  },
  describe(payload) {
    const { reference, columns } = read(payload)
    return { bytes: payload.byteLength, referenceRows: columns.length === 0 ? 0 : reference.length / columns.length }
  },
  createScorer() {
    const meanDistance = createNeighbourSearch()
    return createRowScorer((payload) => {
      const model = read(payload)
      const { columns, neighbours, unit, reference } = model
      const near = columns.length > 0 ? layReference(reference, columns.length) : null
      const distanceOf = (row: Float64Array) => (near === null ? 0 : meanDistance(near, row, neighbours, -1))
      return distanceRows(model, 2 * payload.byteLength, unit, distanceOf)
    })
  },
}

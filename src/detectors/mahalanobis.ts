import { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import {
  decodeNumbers,
  encodeNumbers,
  numbersBytes,
  readStandardised,
  type Standardised,
  shrunkCovariance,
  standardisedFor,
  standardisedRows,
  whitening,
} from '../kernels/models/index.ts'
import { createRowScorer } from '../kernels/scores/index.ts'
import type { Detector, DetectorWarning } from './detector.ts'
import { distanceMembers, distanceRows } from './distances.ts'
import { clampSample, readPayload, sampleSizeSetting, seed } from './settings.ts'

const id = 'mahalanobis'

/** The covariance takes the square of this many doubles, and its inverse the cube of as many steps. */
const maxFeatures = 1024

const params = z
  .strictObject({
    type: z.literal(id),
    sampleSize: sampleSizeSetting('Rows the covariance is taken from', 65_536, 16_384),
    seed,
  })
  .meta({ title: 'Mahalanobis distance', examples: [{ type: id, sampleSize: 16_384, seed: 42 }] })

// 'DWMA' read as a little-endian word
const magic = 0x414d_5744

interface Model extends Standardised {
  readonly features: number
  readonly shrinkage: number
  readonly mean: Float64Array
  /** See `whitening`. */
  readonly white: Float64Array
}

function decode(payload: Uint8Array): Model {
  const numbers = decodeNumbers(payload, magic, 1)
  const [features, count, ...rest] = numbers.words
  if (features < 1 || features > maxFeatures || count > features || rest.some((word) => word !== 0))
    throw new RangeError('the head is not valid')
  const units = readStandardised(numbers, count, features)
  const mean = numbers.next(count)
  const shrinkage = numbers.next(1)[0] as number
  if (!(shrinkage >= 0 && shrinkage <= 1)) throw new RangeError('the shrinkage is out of range')
  const white = numbers.next((count * (count + 1)) / 2)
  numbers.end()
  return { features, ...units, mean, shrinkage, white }
}

const read = (payload: Uint8Array) => readPayload(decode, payload)

/** The squared Mahalanobis distance of a standardised row, which is centred in place; see `whitening`. */
function squaredDistance(row: Float64Array, mean: Float64Array, white: Float64Array): number {
  let distance = 0
  let at = 0
  for (let a = 0; a < row.length; a++) row[a] = (row[a] as number) - (mean[a] as number)
  for (let a = 0; a < row.length; a++) {
    let sum = 0
    for (let b = 0; b <= a; b++) sum += (white[at++] as number) * (row[b] as number)
    distance += sum * sum
  }
  return distance
}

/**
 * The distance of a row from the middle of the training rows in units of how they vary together: it sees a correlation
 * that broke. The covariance is shrunk (`shrunkCovariance`) over features in their own units (`robustScale`). The
 * score is L / (1 + L), L = ln(1 + d^2 / features): monotone, 0.41 for a row as far out as the average one, and
 * apart for any two distances doubles can hold.
 */
export const detector: Detector<z.output<typeof params>> = {
  id,
  title: 'Mahalanobis distance',
  paper:
    'Mahalanobis, P. C. (1936); Ledoit, O. and Wolf, M. (2004), A well-conditioned estimator for large-dimensional covariance matrices, J. Multivariate Analysis 88',
  params,
  ...distanceMembers(read),
  maxBytes: ({ sampleSize }, features) =>
    // Standardised rows, covariance and its factor, and twice the payload.
    8 * features * sampleSize + 3 * 8 * features ** 2 + 2 * numbersBytes(features ** 2 + 4 * features + 1),
  resolve(given, { rows, features }) {
    const sampleSize = clampSample(given.sampleSize, rows, 'A covariance')
    if (features > maxFeatures) {
      throw new DeepWatchError('training_too_large', `mahalanobis takes at most ${maxFeatures} features.`, {
        facts: { features, limit: maxFeatures },
      })
    }
    const warnings: DetectorWarning[] = []
    if (sampleSize < 5 * features) {
      const detail = `${sampleSize} rows are few for the covariance of ${features} features: it is shrunk towards equal, unrelated features as far as these rows ask for, and broken correlations will be seen less.`
      warnings.push({ code: 'few_rows_for_features', detail })
    }
    return { effective: { type: id, sampleSize }, warnings }
  },
  fitPiece({ sample, varying, deviations }) {
    const count = varying.length
    const units = standardisedFor(sample, varying, deviations)
    const { mean, covariance, shrinkage } = shrunkCovariance(standardisedRows(sample, units), count)
    const white = whitening(covariance, count)
    const parts = [units.columns, units.centre, units.spread, mean, Float64Array.of(shrinkage), white]
    return encodeNumbers(magic, 1, [sample.columns, count, 0, 0, 0, 0], parts)
  },
  describe: (payload) => ({ bytes: payload.byteLength, shrinkage: read(payload).shrinkage }),
  createScorer: () =>
    createRowScorer((payload) => {
      const model = read(payload)
      const { mean, white } = model
      return distanceRows(model, payload.byteLength, Math.max(1, mean.length), (row) =>
        squaredDistance(row, mean, white),
      )
    }),
}

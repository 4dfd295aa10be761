/** What the settings and payloads of detectors have in common. */
import { z } from 'zod'
import { DeepWatchError } from '../errors.ts'

/** The seed, a setting of every detector. */
export const seed = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .optional()
  .describe('Same seed and same source give the same model; drawn at random when absent')

/** The setting `sampleSize`, a number of rows. @param purpose what the rows are for, with which its description begins */
export const sampleSizeSetting = (purpose: string, max: number, usual: number) =>
  z.int().min(2).max(max).default(usual).describe(`${purpose}, drawn without replacement; clamped to the usable rows`)

/** The rows that are drawn of `rows` usable ones. @throws DeepWatchError `insufficient_data` when nothing can be told apart in these */
export function clampSample(asked: number, rows: number, what: string): number {
  if (rows >= 2) return Math.min(asked, rows)
  throw new DeepWatchError('insufficient_data', `${what} needs at least 2 usable rows.`, { facts: { rows, needed: 2 } })
}

/** Calls a kernel's decoder; its RangeError becomes `model_corrupt`. */
export function readPayload<Model>(decode: (payload: Uint8Array) => Model, payload: Uint8Array): Model {
  try {
    return decode(payload)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new DeepWatchError('model_corrupt', 'The stored model is damaged.', { cause })
  }
}

/** Refuses a payload that is for another number of features: `model_corrupt`. */
export function requireFeatures(found: number, expected: number): void {
  if (found === expected) return
  throw new DeepWatchError('model_corrupt', 'The stored model is for another number of features.')
}

/** Refuses a tree that is not there: `tree_not_found`. */
export function requireTree(index: number, trees: number): void {
  if (Number.isInteger(index) && index >= 0 && index < trees) return
  const detail = trees === 0 ? 'The model has no trees.' : `The model has the trees 0 to ${trees - 1}.`
  throw new DeepWatchError('tree_not_found', detail)
}

/** What the settings and payloads of detectors have in common. */
import { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import { forestBounds } from '../kernels/forest/index.ts'
import type { DetectorWarning, EffectiveSettings, TrainingShape } from './detector.ts'

/** The seed, a setting of every detector. */
export const seed = z
  .int()
  .min(0)
  .max(Number.MAX_SAFE_INTEGER)
  .optional()
  .describe('Same seed and same source give the same model; drawn at random when absent')

/** Members of the settings of a forest. */
export const forestSettings = {
  trees: z.int().min(1).max(forestBounds.trees).default(100).describe('Number of trees'),
  sampleSize: z
    .int()
    .min(2)
    .max(forestBounds.psi)
    .default(256)
    .describe('Rows each tree is built from, drawn without replacement; clamped to the usable rows'),
  maxDepth: z
    .int()
    .min(1)
    .max(forestBounds.depthLimit)
    .nullable()
    .default(null)
    .describe('Depth limit of a tree; null = the binary logarithm of the sample size, rounded up'),
}

/** The settings as asked for. */
export interface ForestParams {
  readonly trees: number
  readonly sampleSize: number
  readonly maxDepth: number | null
}

/** The settings as used: `maxDepth` is the depth limit, `sampleSize` is psi. */
export type EffectiveForest = EffectiveSettings & { trees: number; sampleSize: number; maxDepth: number }

/** The depth limit of the paper: the height of a balanced tree. */
export const defaultDepth = (sampleSize: number) => Math.max(1, Math.ceil(Math.log2(sampleSize)))

/** Refuses to learn from fewer rows than anything can be told apart in: `insufficient_data`. */
export function requireTwoRows(rows: number, what: string): void {
  if (rows >= 2) return
  throw new DeepWatchError('insufficient_data', `${what} needs at least 2 usable rows.`, { facts: { rows, needed: 2 } })
}

/** Fits the settings of a forest to the data. */
export function resolveForest(
  given: ForestParams,
  { rows }: TrainingShape,
): { effective: { trees: number; sampleSize: number; maxDepth: number }; warnings: DetectorWarning[] } {
  const sampleSize = Math.min(given.sampleSize, rows)
  const maxDepth = given.maxDepth ?? defaultDepth(sampleSize)
  const warnings = []
  if (sampleSize < given.sampleSize) {
    const detail = `sampleSize ${given.sampleSize} is more than the ${rows} usable rows; each tree uses all of them.`
    warnings.push({ code: 'sample_size_clamped', detail })
  }
  return { effective: { trees: given.trees, sampleSize, maxDepth }, warnings }
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

/** What forests of isolation trees have in common as detectors: their settings, and what is told of a fitted one. */
import { z } from 'zod'
import { type Forest, forestBounds, forestDepth, nodeDepths, nodeSizes, treeOf } from '../kernels/forest/index.ts'
import { averagePathLengths } from '../kernels/index.ts'
import type { DetectorWarning, EffectiveSettings, ModelShape, TrainingShape, TreeNode } from './detector.ts'
import { clampSample, requireFeatures, requireTree, sampleSizeSetting } from './settings.ts'

/** Members of the settings of a forest. */
export const forestSettings = {
  trees: z.int().min(1).max(forestBounds.trees).default(100).describe('Number of trees'),
  sampleSize: sampleSizeSetting('Rows each tree is built from', forestBounds.psi, 256),
  maxDepth: z
    .int()
    .min(1)
    .max(forestBounds.depthLimit)
    .nullable()
    .default(null)
    .describe('Depth limit of a tree; null = the binary logarithm of the sample size, rounded up'),
}

/** The settings as asked for. */
interface ForestParams {
  readonly type: string
  readonly trees: number
  readonly sampleSize: number
  readonly maxDepth: number | null
}

/** The settings as used: `maxDepth` is the depth limit, `sampleSize` is psi. */
export type EffectiveForest = EffectiveSettings & { trees: number; sampleSize: number; maxDepth: number }

/** The depth limit that was asked for; by default that of the paper, the height of a balanced tree. */
export const depthLimitOf = (maxDepth: number | null, sampleSize: number) =>
  maxDepth ?? Math.max(1, Math.ceil(Math.log2(sampleSize)))

/**
 * Fits the settings of a forest to the data.
 * @param what the detector, as a message begins with it
 * @throws DeepWatchError `insufficient_data`
 */
export function resolveForest({ type, trees, ...given }: ForestParams, { rows }: TrainingShape, what: string) {
  const sampleSize = clampSample(given.sampleSize, rows, what)
  const warnings: DetectorWarning[] = []
  if (sampleSize < given.sampleSize) {
    const detail = `sampleSize ${given.sampleSize} is more than the ${rows} usable rows; each tree uses all of them.`
    warnings.push({ code: 'sample_size_clamped', detail })
  }
  return { effective: { type, trees, sampleSize, maxDepth: depthLimitOf(given.maxDepth, sampleSize) }, warnings }
}

/** What a node splits by; `split` is its entry in `features` of the tree. */
type CutOf = (node: number, split: number) => { feature: number } | { cut: { feature: number; weight: number }[] }

/**
 * Members of a detector that are the same for every forest.
 * @param read checks a payload and reads it
 * @param cutsOf how the nodes of the tree at an index split
 */
export function forestMembers<F extends Forest>(
  read: (payload: Uint8Array) => F,
  cutsOf: (forest: F, index: number) => CutOf,
) {
  return {
    // Section 4.2 of the paper: when every row scores about 0.5, nothing stands out.
    autoThreshold: 0.5,
    isCalibrated: false,
    reservoirs: ({ trees, sampleSize }: ForestParams) => ({ count: trees, size: sampleSize }),
    pieces: (effective: EffectiveSettings) => (effective as EffectiveForest).trees,
    check: (payload: Uint8Array, features: number) => requireFeatures(read(payload).features, features),

    describe(payload: Uint8Array): ModelShape {
      const forest = read(payload)
      const nodes = forest.splits.length
      const leaves = forest.splits.filter((split) => split < 0).length
      return { trees: forest.trees, nodes, leaves, depth: forestDepth(forest), bytes: payload.byteLength }
    },

    tree(payload: Uint8Array, index: number): TreeNode[] {
      const forest = read(payload)
      requireTree(index, forest.trees)
      const picked = treeOf(forest, index)
      const depths = nodeDepths(picked)
      const sizes = nodeSizes(picked)
      const lengths = averagePathLengths(forest.psi)
      const cutOf = cutsOf(forest, index)
      return Array.from(picked.features, (split, id) => {
        const depth = depths[id] as number
        const size = sizes[id] as number
        if (split < 0) return { id, depth, size, pathLength: depth + (lengths[size] as number) }
        const threshold = picked.thresholds[id] as number
        return { id, depth, ...cutOf(id, split), threshold, left: id + 1, right: picked.links[id] as number, size }
      })
    },
  }
}

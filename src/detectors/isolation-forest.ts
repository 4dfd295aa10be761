import { z } from 'zod'
import { DeepWatchError } from '../errors.ts'
import {
  decodeForest,
  encodeForest,
  type Forest,
  forestBounds,
  forestBytes,
  forestDepth,
  joinTrees,
  treeOf,
} from '../kernels/forest.ts'
import { createForestScorer } from '../kernels/forest-scorer.ts'
import { averagePathLengths } from '../kernels/path-length.ts'
import { createRandom, streams } from '../kernels/random.ts'
import { buildTree, mostNodes, nodeDepths, nodeSizes } from '../kernels/tree.ts'
import type { Detector, EffectiveSettings, FitInput, ModelShape, TrainingShape, TreeNode } from './detector.ts'

const id = 'isolation-forest'

const params = z
  .strictObject({
    type: z.literal(id),
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
    seed: z
      .int()
      .min(0)
      .max(Number.MAX_SAFE_INTEGER)
      .optional()
      .describe('Same seed and same source give the same model; drawn at random when absent'),
  })
  .meta({ title: 'Isolation forest', examples: [{ type: id, trees: 100, sampleSize: 256, maxDepth: null, seed: 42 }] })

type Params = z.output<typeof params>

/** The settings as used: `maxDepth` is the depth limit, `sampleSize` is psi. */
type Effective = EffectiveSettings & { trees: number; sampleSize: number; maxDepth: number }

const defaultDepth = (sampleSize: number) => Math.max(1, Math.ceil(Math.log2(sampleSize)))

function resolve(given: Params, { rows }: TrainingShape) {
  if (rows < 2) {
    throw new DeepWatchError('insufficient_data', 'An isolation forest needs at least 2 usable rows.', {
      facts: { rows, needed: 2 },
    })
  }
  const sampleSize = Math.min(given.sampleSize, rows)
  const maxDepth = given.maxDepth ?? defaultDepth(sampleSize)
  const warnings = []
  if (sampleSize < given.sampleSize) {
    const detail = `sampleSize ${given.sampleSize} is more than the ${rows} usable rows; each tree uses all of them.`
    warnings.push({ code: 'sample_size_clamped', detail })
  }
  return { effective: { type: id, trees: given.trees, sampleSize, maxDepth }, warnings }
}

function fitPiece({ sample, piece, effective, seed, varying }: FitInput) {
  const { sampleSize, maxDepth } = effective as Effective
  const random = createRandom(seed, streams.fit(piece))
  const tree = buildTree({ sample, candidates: varying, depthLimit: maxDepth, random })
  const shape = { psi: sampleSize, features: sample.lanes, depthLimit: maxDepth }
  return encodeForest(joinTrees([tree], shape))
}

function join(pieces: readonly Uint8Array[], effective: EffectiveSettings, features: number) {
  const { sampleSize, maxDepth } = effective as Effective
  const trees = pieces.map((piece) => treeOf(readForest(piece), 0))
  return encodeForest(joinTrees(trees, { psi: sampleSize, features, depthLimit: maxDepth }))
}

function readForest(payload: Uint8Array): Forest {
  try {
    return decodeForest(payload)
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new DeepWatchError('model_corrupt', 'The stored forest is damaged.', { cause })
  }
}

function check(payload: Uint8Array, features: number): void {
  const forest = readForest(payload)
  if (forest.features === features) return
  throw new DeepWatchError('model_corrupt', 'The stored forest is for another number of features.')
}

function describe(payload: Uint8Array): ModelShape {
  const forest = readForest(payload)
  let leaves = 0
  for (const split of forest.splits) if (split < 0) leaves++
  const depth = forestDepth(forest)
  return { trees: forest.trees, nodes: forest.splits.length, leaves, depth, bytes: payload.byteLength }
}

function tree(payload: Uint8Array, index: number): TreeNode[] {
  const forest = readForest(payload)
  if (!Number.isInteger(index) || index < 0 || index >= forest.trees) {
    throw new DeepWatchError('tree_not_found', `The model has the trees 0 to ${forest.trees - 1}.`)
  }
  const picked = treeOf(forest, index)
  const depths = nodeDepths(picked)
  const sizes = nodeSizes(picked)
  const lengths = averagePathLengths(forest.psi)
  return Array.from(picked.features, (feature, node) => {
    const depth = depths[node] as number
    const size = sizes[node] as number
    if (feature < 0) return { id: node, depth, size, pathLength: depth + (lengths[size] as number) }
    const threshold = picked.thresholds[node] as number
    return { id: node, depth, feature, threshold, left: node + 1, right: picked.links[node] as number, size }
  })
}

/** The isolation forest with the sub-sampling, depth limit and score of its paper. */
export const detector: Detector<Params> = {
  id,
  title: 'Isolation forest',
  paper: 'Liu, F. T., Ting, K. M. and Zhou, Z.-H. (2008), Isolation Forest, ICDM',
  params,
  // Section 4.2 of the paper: when every row scores about 0.5, nothing stands out.
  autoThreshold: 0.5,
  reservoirs: ({ trees, sampleSize }) => ({ count: trees, size: sampleSize }),
  mostBytes({ trees, sampleSize, maxDepth }) {
    const nodes = trees * mostNodes(sampleSize, maxDepth ?? defaultDepth(sampleSize))
    // Pieces and payload are there at the same time.
    return 2 * forestBytes(trees, nodes)
  },
  resolve,
  pieces: (effective) => (effective as Effective).trees,
  fitPiece,
  join,
  check,
  describe,
  tree,
  createScorer: () => createForestScorer(readForest),
}

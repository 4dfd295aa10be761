import { z } from 'zod'
import {
  decodeForest,
  encodeForest,
  type Forest,
  forestBytes,
  forestDepth,
  forestOf,
  growTree,
  joinTrees,
  maxNodes,
  nodeDepths,
  nodeSizes,
  treeOf,
  viewForest,
} from '../kernels/forest/index.ts'
import { createForestScorer, createForestWalk, type LaidForest, layForest } from '../kernels/forest/walks/index.ts'
import { averagePathLengths } from '../kernels/index.ts'
import { createRandom, streams } from '../kernels/sampling/index.ts'
import type { Detector, FitInput, JoinInput, ModelShape, TrainingShape, TreeNode } from './detector.ts'
import {
  defaultDepth,
  type EffectiveForest,
  forestSettings,
  readPayload,
  requireFeatures,
  requireTree,
  requireTwoRows,
  resolveForest,
  seed,
} from './settings.ts'

const id = 'isolation-forest'

const params = z
  .strictObject({ type: z.literal(id), ...forestSettings, seed })
  .meta({ title: 'Isolation forest', examples: [{ type: id, trees: 100, sampleSize: 256, maxDepth: null, seed: 42 }] })

type Params = z.output<typeof params>

function resolve(given: Params, shape: TrainingShape) {
  requireTwoRows(shape.rows, 'An isolation forest')
  const { effective, warnings } = resolveForest(given, shape)
  return { effective: { type: id, ...effective }, warnings }
}

function fitPiece({ sample, piece, effective, seed, varying }: FitInput) {
  const { sampleSize, maxDepth } = effective as EffectiveForest
  const random = createRandom(seed, streams.fit(piece))
  const tree = growTree({ sample, candidates: varying, depthLimit: maxDepth, random })
  return encodeForest(forestOf(tree, { psi: sampleSize, features: sample.lanes, depthLimit: maxDepth }))
}

function join({ pieces, effective, features }: JoinInput) {
  const { sampleSize, maxDepth } = effective as EffectiveForest
  // As `fitPiece` made them: there is nothing to check.
  const trees = pieces.map((piece) => treeOf(readPayload(viewForest, piece), 0))
  return encodeForest(joinTrees(trees, { psi: sampleSize, features, depthLimit: maxDepth }))
}

const readForest = (payload: Uint8Array): Forest => readPayload(decodeForest, payload)

function describe(payload: Uint8Array): ModelShape {
  const forest = readForest(payload)
  let leaves = 0
  for (const split of forest.splits) if (split < 0) leaves++
  const depth = forestDepth(forest)
  return { trees: forest.trees, nodes: forest.splits.length, leaves, depth, bytes: payload.byteLength }
}

function tree(payload: Uint8Array, index: number): TreeNode[] {
  const forest = readForest(payload)
  requireTree(index, forest.trees)
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
  isCalibrated: false,
  reservoirs: ({ trees, sampleSize }) => ({ count: trees, size: sampleSize }),
  mostBytes({ trees, sampleSize, maxDepth }) {
    const nodes = trees * maxNodes(sampleSize, maxDepth ?? defaultDepth(sampleSize))
    // Pieces and payload are there at the same time.
    return 2 * forestBytes(trees, nodes)
  },
  resolve,
  pieces: (effective) => (effective as EffectiveForest).trees,
  fitPiece,
  join,
  check: (payload, features) => requireFeatures(readForest(payload).features, features),
  describe,
  tree,
  fewRows: {
    prepare(payload) {
      const laid = layForest(readForest(payload))
      return laid && { bytes: laid.bytes, mostRows: laid.maxRows, model: laid }
    },
    open: (model) => createForestWalk(model as LaidForest),
  },
  createScorer: () => createForestScorer({ read: readForest, view: (payload) => readPayload(viewForest, payload) }),
}

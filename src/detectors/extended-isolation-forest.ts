import { z } from 'zod'
import {
  buildObliqueTree,
  cutBytes,
  decodeObliqueForest,
  encodeObliqueForest,
  forestBytes,
  forestDepth,
  joinObliqueTrees,
  maxColumns,
  maxNodes,
  nodeDepths,
  nodeSizes,
  type ObliqueForest,
  obliqueTreeOf,
  treeOf,
} from '../kernels/forest/index.ts'
import { createObliqueScorer } from '../kernels/forest/walks/oblique/index.ts'
import { averagePathLengths } from '../kernels/index.ts'
import { kurtosisOf, robustScale } from '../kernels/models/index.ts'
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

const id = 'extended-isolation-forest'

const featureWeights = ['equal', 'kurtosis', 'mixed'] as const

const params = z
  .strictObject({
    type: z.literal(id),
    ...forestSettings,
    columns: z
      .int()
      .min(1)
      .max(maxColumns)
      .default(3)
      .describe('Features a split looks at together; 1 gives the splits of the plain forest. Clamped to the features'),
    rangePenalty: z
      .boolean()
      .default(true)
      .describe('Whether a row outside the range that a node saw in training counts as more anomalous'),
    featureWeights: z
      .enum(featureWeights)
      .default('equal')
      .describe(
        'How likely a feature is to be part of a split: all as likely, by their kurtosis in the rows of the tree (features with rows far outside are split more often), or mixed: by kurtosis in every second tree',
      ),
    seed,
  })
  .meta({ title: 'Extended isolation forest', examples: [{ type: id, trees: 100, columns: 3, seed: 42 }] })

type Params = z.output<typeof params>
type Effective = EffectiveForest & {
  columns: number
  rangePenalty: boolean
  featureWeights: (typeof featureWeights)[number]
}

function resolve(given: Params, shape: TrainingShape) {
  requireTwoRows(shape.rows, 'An extended isolation forest')
  const { effective, warnings } = resolveForest(given, shape)
  const columns = Math.min(given.columns, shape.features)
  const { rangePenalty, featureWeights } = given
  return { effective: { type: id, ...effective, columns, rangePenalty, featureWeights }, warnings }
}

function fitPiece({ sample, piece, effective, seed, varying, deviations }: FitInput) {
  const { sampleSize, maxDepth, columns, rangePenalty, featureWeights } = effective as Effective
  const isWeighted = featureWeights === 'kurtosis' || (featureWeights === 'mixed' && piece % 2 === 1)
  const tree = buildObliqueTree({
    sample,
    candidates: varying,
    spread: robustScale(sample, deviations).spread,
    likelihoods: isWeighted ? kurtosisOf(sample) : null,
    columns,
    depthLimit: maxDepth,
    random: createRandom(seed, streams.fit(piece)),
  })
  const shape = { psi: sampleSize, features: sample.lanes, depthLimit: maxDepth, columns, rangePenalty }
  return encodeObliqueForest(joinObliqueTrees([tree], shape))
}

function join({ pieces, effective, features }: JoinInput) {
  const { sampleSize, maxDepth, columns, rangePenalty } = effective as Effective
  const trees = pieces.map((piece) => obliqueTreeOf(readForest(piece), 0))
  const shape = { psi: sampleSize, features, depthLimit: maxDepth, columns, rangePenalty }
  return encodeObliqueForest(joinObliqueTrees(trees, shape))
}

const readForest = (payload: Uint8Array): ObliqueForest => readPayload(decodeObliqueForest, payload)

function describe(payload: Uint8Array): ModelShape {
  const forest = readForest(payload)
  let leaves = 0
  for (const split of forest.splits) if (split < 0) leaves++
  const nodes = forest.splits.length
  return { trees: forest.trees, nodes, leaves, depth: forestDepth(forest), bytes: payload.byteLength }
}

function tree(payload: Uint8Array, index: number): TreeNode[] {
  const forest = readForest(payload)
  requireTree(index, forest.trees)
  const picked = treeOf(forest, index)
  const { columns, features, weights } = obliqueTreeOf(forest, index)
  const depths = nodeDepths(picked)
  const sizes = nodeSizes(picked)
  const lengths = averagePathLengths(forest.psi)
  return Array.from(picked.features, (split, node) => {
    const depth = depths[node] as number
    const size = sizes[node] as number
    if (split < 0) return { id: node, depth, size, pathLength: depth + (lengths[size] as number) }
    const cut = []
    for (let c = node * columns; c < (node + 1) * columns; c++) {
      if (weights[c] !== 0) cut.push({ feature: features[c] as number, weight: weights[c] as number })
    }
    const threshold = picked.thresholds[node] as number
    return { id: node, depth, cut, threshold, left: node + 1, right: picked.links[node] as number, size }
  })
}

/**
 * The forest of Hariri, Carrasco Kind and Brunner, section 3.2: each split is a plane through several features, so that
 * the score has no ghost bands along the axes and a combination of values that never occurred together stands out. To
 * favour features by the kurtosis of a tree's rows follows Liu, Ting and Zhou (2008), "Isolation Forest", who select
 * them by it where there are many.
 */
export const detector: Detector<Params> = {
  id,
  title: 'Extended isolation forest',
  paper: 'Hariri, S., Carrasco Kind, M. and Brunner, R. J. (2019), Extended Isolation Forest, IEEE TKDE 33(4)',
  params,
  autoThreshold: 0.5,
  isCalibrated: false,
  reservoirs: ({ trees, sampleSize }) => ({ count: trees, size: sampleSize }),
  mostBytes({ trees, sampleSize, maxDepth, columns }) {
    const nodes = maxNodes(sampleSize, maxDepth ?? defaultDepth(sampleSize))
    // Pieces and payload are there at the same time.
    return 2 * trees * (forestBytes(1, nodes) + cutBytes(nodes, columns))
  },
  resolve,
  pieces: (effective) => (effective as Effective).trees,
  fitPiece,
  join,
  check: (payload, features) => requireFeatures(readForest(payload).features, features),
  describe,
  tree,
  createScorer: () => createObliqueScorer(readForest),
}

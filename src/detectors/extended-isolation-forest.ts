import { z } from 'zod'
import {
  buildObliqueTree,
  cutBytes,
  decodeObliqueForest,
  encodeObliqueForest,
  forestBytes,
  joinObliqueTrees,
  maxColumns,
  maxNodes,
  type ObliqueForest,
  obliqueTreeOf,
} from '../kernels/forest/index.ts'
import { createObliqueScorer } from '../kernels/forest/walks/index.ts'
import { kurtosisOf, robustScale } from '../kernels/models/index.ts'
import { createRandom, streams } from '../kernels/sampling/index.ts'
import type { Detector, EffectiveSettings } from './detector.ts'
import { depthLimitOf, type EffectiveForest, forestMembers, forestSettings, resolveForest } from './forests.ts'
import { readPayload, seed } from './settings.ts'

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

type Effective = EffectiveForest & {
  columns: number
  rangePenalty: boolean
  featureWeights: (typeof featureWeights)[number]
}

const read = (payload: Uint8Array) => readPayload(decodeObliqueForest, payload)

function shapeOf(effective: EffectiveSettings, features: number) {
  const { sampleSize, maxDepth, columns, rangePenalty } = effective as Effective
  return { psi: sampleSize, features, depthLimit: maxDepth, columns, rangePenalty }
}

/** The features that a node of a tree looks at together, with their weights. */
function cutsOf(forest: ObliqueForest, index: number) {
  const { columns, features, weights } = obliqueTreeOf(forest, index)
  return (node: number) => {
    const places = Array.from({ length: columns }, (_, c) => node * columns + c)
    const cut = places.map((c) => ({ feature: features[c]!, weight: weights[c]! }))
    return { cut: cut.filter(({ weight }) => weight !== 0) }
  }
}

/**
 * The forest of Hariri, Carrasco Kind and Brunner, section 3.2: each split is a plane through several features, so that
 * the score has no ghost bands along the axes and a combination of values that never occurred together stands out. To
 * favour features by the kurtosis of a tree's rows follows Liu, Ting and Zhou (2008), "Isolation Forest", who select
 * them by it where there are many.
 */
export const detector: Detector<z.output<typeof params>> = {
  id,
  title: 'Extended isolation forest',
  paper: 'Hariri, S., Carrasco Kind, M. and Brunner, R. J. (2019), Extended Isolation Forest, IEEE TKDE 33(4)',
  params,
  ...forestMembers(read, cutsOf),
  maxBytes({ trees, sampleSize, maxDepth, columns }) {
    const nodes = maxNodes(sampleSize, depthLimitOf(maxDepth, sampleSize))
    // Pieces and payload are there at the same time.
    return 2 * trees * (forestBytes(1, nodes) + cutBytes(nodes, columns))
  },
  resolve(given, shape) {
    const { effective, warnings } = resolveForest(given, shape, 'An extended isolation forest')
    const columns = Math.min(given.columns, shape.features)
    const { rangePenalty, featureWeights } = given
    return { effective: { ...effective, columns, rangePenalty, featureWeights }, warnings }
  },
  fitPiece({ sample, piece, effective, seed, varying, deviations }) {
    const { maxDepth, columns, featureWeights } = effective as Effective
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
    return encodeObliqueForest(joinObliqueTrees([tree], shapeOf(effective, sample.columns)))
  },
  join({ pieces, effective, features }) {
    const trees = pieces.map((piece) => obliqueTreeOf(read(piece), 0))
    return encodeObliqueForest(joinObliqueTrees(trees, shapeOf(effective, features)))
  },
  createScorer: () => createObliqueScorer(read),
}

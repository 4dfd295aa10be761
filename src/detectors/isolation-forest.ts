import { z } from 'zod'
import {
  decodeForest,
  encodeForest,
  forestBytes,
  forestOf,
  growTree,
  joinTrees,
  maxNodes,
  treeOf,
  viewForest,
} from '../kernels/forest/index.ts'
import { createForestScorer, createForestWalk, type LaidForest, layForest } from '../kernels/forest/walks/index.ts'
import { createRandom, streams } from '../kernels/sampling/index.ts'
import type { Detector } from './detector.ts'
import { depthLimitOf, type EffectiveForest, forestMembers, forestSettings, resolveForest } from './forests.ts'
import { readPayload, seed } from './settings.ts'

const id = 'isolation-forest'

const params = z
  .strictObject({ type: z.literal(id), ...forestSettings, seed })
  .meta({ title: 'Isolation forest', examples: [{ type: id, trees: 100, sampleSize: 256, maxDepth: null, seed: 42 }] })

const read = (payload: Uint8Array) => readPayload(decodeForest, payload)
/** Without the check of every number, for what was made or checked by us already. */
const view = (payload: Uint8Array) => readPayload(viewForest, payload)

/** The isolation forest with the sub-sampling, depth limit and score of its paper. */
export const detector: Detector<z.output<typeof params>> = {
  id,
  title: 'Isolation forest',
  paper: 'Liu, F. T., Ting, K. M. and Zhou, Z.-H. (2008), Isolation Forest, ICDM',
  params,
  ...forestMembers(read, () => (_, feature) => ({ feature })),
  maxBytes({ trees, sampleSize, maxDepth }) {
    const nodes = trees * maxNodes(sampleSize, depthLimitOf(maxDepth, sampleSize))
    // Pieces and payload are there at the same time.
    return 2 * forestBytes(trees, nodes)
  },
  resolve: (given, shape) => resolveForest(given, shape, 'An isolation forest'),
  fitPiece({ sample, piece, effective, seed, varying }) {
    const { sampleSize, maxDepth } = effective as EffectiveForest
    const random = createRandom(seed, streams.fit(piece))
    const tree = growTree({ sample, candidates: varying, depthLimit: maxDepth, random })
    return encodeForest(forestOf(tree, { psi: sampleSize, features: sample.columns, depthLimit: maxDepth }))
  },
  join({ pieces, effective, features }) {
    const { sampleSize, maxDepth } = effective as EffectiveForest
    const trees = pieces.map((piece) => treeOf(view(piece), 0))
    return encodeForest(joinTrees(trees, { psi: sampleSize, features, depthLimit: maxDepth }))
  },
  smallBatches: {
    prepare(payload) {
      const laid = layForest(read(payload))
      return laid && { bytes: laid.bytes, maxRows: laid.maxRows, model: laid }
    },
    open: (model) => createForestWalk(model as LaidForest),
  },
  createScorer: () => createForestScorer({ read, view }),
}

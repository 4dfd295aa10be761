export { createForestScorer } from './forest-scorer.ts'
export { createObliqueScorer } from './oblique.ts'
export { createForestWalk, type LaidForest, layForest } from './small-batch.ts'

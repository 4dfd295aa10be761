export { createForestScorer } from './forest-scorer.ts'
export { createForestWalk, type LaidForest, layForest } from './small-batch.ts'

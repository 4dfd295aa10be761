export { createObliqueScorer } from './scorer.ts'

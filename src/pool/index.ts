export { createPool, type Pool } from './pool.ts'
export type { BlockScores, ScoringModel } from './types.ts'

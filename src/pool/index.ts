export { Pool } from './pool.ts'
export { startThreads } from './threads.ts'
export type { BlockScores, ScoringModel } from './types.ts'

export { createEvaluation } from './evaluation.ts'
export type { ScoredBlock } from './scored-block.ts'
export { createScoring, type RowRun, type Scoring, type ScoringRun, type TableRun } from './scoring.ts'
export type { HeldRows, TrainingScoresKept } from './training-scores.ts'

export { createEvaluation, type EvaluationUseCase } from './evaluation.ts'
export type { ScoredBlock } from './scored-block.ts'
export { createScoring, type Scoring, type ScoringRun } from './scoring.ts'
export type { HeldRows, TrainingScoresKept } from './training-scores.ts'

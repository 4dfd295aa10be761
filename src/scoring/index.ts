export { createEvaluation, type HeldRows } from './evaluation.ts'
export type { ScoredBlock } from './scored-block.ts'
export {
  createScoring,
  type RowRun,
  type Scoring,
  type ScoringRun,
  type TableRun,
  type TrainingScoresKept,
} from './scoring.ts'

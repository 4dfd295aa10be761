export type {
  DetectorParams,
  EffectiveSettings,
  FitInput,
  JoinInput,
  ModelShape,
  PreparedForSmallBatch,
  ScoreSmallBatch,
  TreeNode,
} from './detector.ts'
export { defaultDetector, detectors, findDetector } from './list.ts'
export { createEntityScorer, fitEntity, guardsOfEntity } from './per-entity.ts'
export { readPayload, seed } from './settings.ts'

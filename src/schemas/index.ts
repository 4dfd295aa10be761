export { type DerivedFeature, durationSeconds, featureName, maxDerived, windowOf } from './derived.ts'
export { type EvaluateSettings, type Evaluation, evaluateSettings, evaluation, type Figures } from './evaluate.ts'
export {
  exampleEvaluation,
  exampleJob,
  exampleModel,
  exampleRows,
  exampleScores,
  exampleTree,
  exampleVersion,
} from './examples.ts'
export { generateSettings } from './generate.ts'
export { type JobDocument, type JobKind, type JobState, jobDocument, jobKinds, jobList, jobStates } from './job.ts'
export { describeIssue, mergeSettings, settingsError } from './merge.ts'
export {
  type Choice,
  type Feature,
  type FeatureProfile,
  modelList,
  modelSummary,
  type RemovalReason,
  type Roles,
  removalReasons,
  tree,
  type VersionDocument,
  versionDocument,
  type Warning,
} from './model.ts'
export { problem } from './problem.ts'
export { type Reading, readingOf } from './reading.ts'
export {
  type KeptReport,
  keptReport,
  type ReportAggregate,
  type ReportFacts,
  type ReportFormat,
  type ReportSettings,
  reportFormat,
  reportSettings,
  type TrainingBins,
} from './report.ts'
export {
  modelReferencePattern,
  type RowReason,
  type ScoreSettings,
  type ScoreSummary,
  scoreAnswer,
  scoreSettings,
  type UnscoredReason,
  unscoredReasons,
} from './score.ts'
export { modelNamePattern } from './source.ts'
export { defaultKeep, detectorSettings, type TrainSettings, trainSettings } from './train.ts'

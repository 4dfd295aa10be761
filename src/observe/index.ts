export { createLog, type ServiceLog } from './log.ts'
export { createMetrics, type Metrics, type ScoredCounts, ScoreTally } from './metrics.ts'

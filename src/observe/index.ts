export { createLog } from './log.ts'
export { createMetrics, type Metrics, type ScoredCounts } from './metrics.ts'
export { ScoreTally } from './score-histogram.ts'

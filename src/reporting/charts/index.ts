export { anomalyChart } from './anomaly-chart.ts'
export { type Chart, chartFont, drawChart } from './draw.ts'
export { featureValues } from './feature-values.ts'
export { flagHours } from './flag-hours.ts'
export { given } from './outline.ts'
export { type Colour, dark, light } from './palette.ts'
export { precisionRecall } from './precision-recall.ts'
export { bucketWords, hasLabelled, isSpread, scoreCourse } from './score-course.ts'
export { type Distribution, scoreDistribution } from './score-distribution.ts'
export {
  escapeText,
  formatBytes,
  formatCount,
  formatDuration,
  formatNumber,
  formatRange,
  formatScore,
  formatShare,
  formatTime,
  formatValue,
  plural,
  shownName,
  unitOf,
} from './text.ts'

export { aggregateSource, transitionsWithin } from './aggregate.ts'
export { type FeatureRange, featureBins, rangeOf } from './feature-range.ts'
export { aggregateBlocks, aggregateRows } from './rows.ts'
export { ReportTally } from './tally.ts'

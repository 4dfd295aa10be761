export { doubtfulFeatures, likelyEntity, nameList } from './column-warnings.ts'
export { type Derived, describeDerived, historyQuery, isDerived } from './derived.ts'
export { createHistories, entityBytes, type HistoryKeeper, type Turn } from './histories.ts'
export { NullValues } from './json-cells.ts'
export { type ColumnCounts, countValue, describeColumn, noCounts } from './json-columns.ts'
export { readRows } from './json-rows.ts'
export {
  createOpener,
  type Opened,
  type OpenTelemetry,
  type OpenTelemetryOptions,
  requireOneSource,
  type SourceFacts,
} from './opening.ts'
export { quote } from './quote.ts'
export { type ColumnPlaces, placesOf, plainFacts, type RowFacts, rowFacts } from './row-facts.ts'
export {
  type ColumnPlan,
  featureColumns,
  planColumns,
  planScoring,
  readWindow,
  type Telemetry,
} from './telemetry.ts'
export { createTimeContext, type TimeContext } from './time-context.ts'
export { epochUnitFor, likelyTimes, noTime, severalUnits, textFormatFor } from './times.ts'

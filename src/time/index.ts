export {
  type EpochUnit,
  epochMicros,
  epochRange,
  epochUnitOf,
  epochUnits,
  isTimeName,
  judgeTimeTexts,
  type TextVerdict,
} from './time-columns.ts'
export { type TimeReader, timeReader } from './time-format.ts'
export { dateOrders } from './time-texts.ts'
export { isOldZoneTable, isTimeZone, zoneTable, zoneTransitions } from './time-zone.ts'
export { formatTimestamp, parseTimestamp } from './timestamps.ts'

export { isTimeZone, zoneTransitions } from './time-zone.ts'
export { formatTimestamp, parseTimestamp } from './timestamps.ts'

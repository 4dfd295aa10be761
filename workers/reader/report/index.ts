export { aggregateScored } from './report.ts'

export { streamScored, writeScored } from './scored.ts'

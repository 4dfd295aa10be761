export { createDecoder } from './decoder.ts'

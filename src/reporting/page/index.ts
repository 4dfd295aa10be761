export { pagePolicy } from './policy.ts'
export { renderReport } from './render.ts'

export { renderReport } from './render.ts'
export { pagePolicy } from './style.ts'

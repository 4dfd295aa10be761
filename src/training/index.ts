export { recordTraining } from './report.ts'
export { createTraining, type Training } from './training.ts'

export { recordTraining } from './report.ts'
export { createTraining, type Trained, type Training } from './training.ts'

export { TrainingRecord } from './report.ts'
export { createTraining } from './training.ts'

export { createDrawing } from './drawing.ts'
export { type KeptReports, openKeptReports } from './kept-reports.ts'
export { createReporting, type Report } from './reporting.ts'

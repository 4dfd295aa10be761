export { type Answer, isWhole, jsonAnswer, type Piece, type Pieces, piecesOf, type StreamedAnswer } from './answer.ts'
export { openJobsFolder } from './folder.ts'
export { failureOf, follow, type Heard, isOver, type Job, type JobRecord } from './job.ts'
export { type Jobs, openJobs } from './jobs.ts'

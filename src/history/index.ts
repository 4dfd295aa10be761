export { historyMarks, markHistory } from './marks.ts'
export {
  changesScores,
  describeSmoothing,
  type ScoreSteps,
  smoothInOrder,
  smoothInTurn,
  smoothingColumns,
  smoothLive,
  smoothSource,
} from './smoothing.ts'
export { openWindows, type Windows } from './windows.ts'

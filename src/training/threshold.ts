/** How a training finds its threshold, and whether scores that have become usual are held below it. */
import type { Detector } from '../detectors/index.ts'
import { DeepWatchError } from '../errors.ts'
import { createTopScores, type TopScores } from '../kernels/scores/index.ts'
import type { TrainSettings, VersionDocument } from '../schemas/index.ts'
import type { ThresholdRule } from './document.ts'

/**
 * The threshold where it does not depend on the training scores; null where they have to be known for it.
 * Errors: `validation_failed`.
 */
export function lineOf(rule: ThresholdRule, autoThreshold: number | null): number | null {
  if (rule !== 'auto' && 'contamination' in rule) return null
  const value = rule === 'auto' ? autoThreshold : rule.value
  if (value !== null) return value
  throw new DeepWatchError(
    'validation_failed',
    'threshold: this detector has no line of its own; give a contamination or a value.',
  )
}

/** What was asked for, else what was chosen where that can be. Errors: `validation_failed`. */
export function planHabituation(
  asked: TrainSettings['habituation'],
  chosen: VersionDocument['habituation'],
  line: number | null,
  { isCalibrated }: Detector,
): NonNullable<VersionDocument['habituation']> | null {
  if (asked?.window === 0) return null
  if (asked === undefined) return line === null ? null : (chosen ?? null)
  if (isCalibrated && line !== null) return asked
  const detail = isCalibrated ? 'a threshold that is a score or auto' : 'a detector whose score is calibrated: ensemble'
  throw new DeepWatchError('validation_failed', `habituation: needs ${detail}.`)
}

/**
 * The search for the threshold that follows from the training scores.
 * @param line see `lineOf` @param rows training rows
 */
export function searchThreshold(rule: ThresholdRule, line: number | null, rows: number): TopScores {
  if (rule !== 'auto' && 'contamination' in rule) return createTopScores(rows, rule.contamination)
  const value = line as number
  let above = 0
  const found = () => ({ value, exact: true, above })
  return {
    offer: (scores) => {
      for (const score of scores) if (score > value) above++
    },
    finish: found,
    settle: found,
  }
}

/** How a training finds its threshold, and whether scores that have become usual are held below it. */
import { detectors } from '../detectors/index.ts'
import { DeepWatchError } from '../errors.ts'
import { createTopScores, type FoundThreshold, type TopScores } from '../kernels/scores/index.ts'
import type { TrainSettings, VersionDocument } from '../schemas/index.ts'
import type { Choice } from './auto-samples.ts'
import type { TrainingRecord } from './report.ts'

type ThresholdRule = NonNullable<TrainSettings['threshold']>

export interface Judging {
  readonly rule: ThresholdRule
  /** The threshold where it does not depend on the training scores; null where they have to be known for it. */
  readonly fixed: number | null
  readonly habituation: NonNullable<VersionDocument['habituation']> | null
}

/** What was asked for, else what was chosen. Errors: `validation_failed`. */
export function planJudging(settings: TrainSettings, choice: Choice): Judging {
  const rule = settings.threshold ?? choice.threshold
  const { autoThreshold, isCalibrated } = detectors.get(choice.detector.type)!
  const fixed = fixedThreshold(rule, autoThreshold)
  const asked = settings.habituation
  if (asked?.window === 0) return { rule, fixed, habituation: null }
  if (asked === undefined) return { rule, fixed, habituation: fixed === null ? null : choice.habituation }
  if (isCalibrated && fixed !== null) return { rule, fixed, habituation: asked }
  const detail = isCalibrated ? 'a threshold that is a score or auto' : 'a detector whose score is calibrated: ensemble'
  throw new DeepWatchError('validation_failed', `habituation: needs ${detail}.`)
}

function fixedThreshold(rule: ThresholdRule, autoThreshold: number | null): number | null {
  if (rule !== 'auto' && 'contamination' in rule) return null
  const value = rule === 'auto' ? autoThreshold : rule.value
  if (value !== null) return value
  throw new DeepWatchError(
    'validation_failed',
    'threshold: this detector has no line of its own; give a contamination or a value.',
  )
}

/** The search for the threshold among the training scores. @param rows training rows */
export function searchThreshold({ rule, fixed }: Judging, rows: number): TopScores {
  if (rule !== 'auto' && 'contamination' in rule) return createTopScores(rows, rule.contamination)
  const value = fixed as number
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

/** The threshold; where the scores cannot be read once more, what is known of it by then. Throws the reason of the signal. */
export async function finishSearch(
  search: TopScores,
  record: Pick<TrainingRecord, 'complete' | 'bringAgain'>,
  signal: AbortSignal,
): Promise<FoundThreshold> {
  let found = search.finish()
  while (found === null) {
    await record.complete()
    const isWhole = await record.bringAgain(search.offer, signal)
    signal.throwIfAborted()
    found = isWhole ? search.finish() : search.settle()
  }
  return found
}

/** Settles what the settings of a training leave open, and draws the samples: windows for which the rows lack history are dropped. */
import { DeepWatchError } from '../errors.ts'
import type { Work } from '../work.ts'
import { type AutoPlan, chooseAuto, maxWithoutHistory, type TelemetryShape } from './auto.ts'
import type { StepParts, TrainingPlan } from './plan.ts'
import { type Drawn, drawSamples } from './samples.ts'

/** What is used: what the request says, or what was chosen for it. */
export type Choice = Omit<AutoPlan, 'derived' | 'choice'> & {
  /** What was chosen, and why; absent when nothing was left open. */
  readonly choice?: AutoPlan['choice']
}

export interface Chosen {
  readonly choice: Choice
  readonly drawn: Drawn
}

/** Errors that only the windows cause, in words. */
const windowTroubles: Readonly<Record<string, string>> = {
  insufficient_data:
    'Hardly any row has the history that windows need, because of gaps, missing values or the order of rows',
  history_too_large: 'The windows of all entities need more memory than they may take',
  training_too_large: 'A training with derived features needs more memory than it may take',
}

/** Settles detector, derived features and defaults, and draws the samples. Errors: those of `drawSamples`. */
export async function drawChosen(parts: StepParts, plan: TrainingPlan, work: Work): Promise<Chosen> {
  const { requested } = plan
  if (requested.type === 'auto') return drawAuto(parts, plan, work)
  const threshold = { contamination: 0.01 }
  const choice: Choice = { detector: requested, threshold, guardsDerived: true, habituation: null }
  return { choice, drawn: await drawSamples(parts, plan, requested, [], work) }
}

/**
 * Windows that leave too many rows without history, or need too much memory, cost one more pass without them. A column without
 * any value keeps every row from having a history: where there is one, windows are tried once more over the others.
 */
async function drawAuto(parts: StepParts, plan: TrainingPlan, work: Work): Promise<Chosen> {
  const { roles, features, derived } = plan.columns
  const { span } = plan
  const { seed } = plan.requested
  const shape: TelemetryShape = {
    columns: features.map(({ name }) => name),
    hasTimestamp: roles.timestamp !== null,
    rows: span.rowsInWindow,
    tied: roles.entity === null ? (span.tied ?? null) : null,
    ownDerived: derived.length > 0,
  }
  const draw = async (choice: AutoPlan): Promise<Chosen> => {
    return { choice, drawn: await drawSamples(parts, plan, choice.detector, choice.derived, work) }
  }
  /** What was drawn, or why the windows cannot be used. */
  const attempt = async (choice: AutoPlan): Promise<Chosen | string> => {
    try {
      const chosen = await draw(choice)
      const lacking = chosen.drawn.rowsWithoutHistory / span.rowsInWindow
      if (choice.derived.length === 0 || lacking <= maxWithoutHistory) return chosen
      return `${(100 * lacking).toFixed(1)} % of the rows have too little history for windows, because of gaps, missing values or the order of rows`
    } catch (error) {
      const trouble = error instanceof DeepWatchError ? windowTroubles[error.code] : undefined
      if (choice.derived.length === 0 || trouble === undefined) throw error
      return trouble
    }
  }
  const first = await attempt(chooseAuto(shape, seed))
  if (typeof first !== 'string') return first
  const plain = await draw(chooseAuto(shape, seed, first))
  const { columns } = plain.drawn
  if (columns.length === features.length) return plain
  const filled = await attempt(chooseAuto({ ...shape, columns: columns.map(({ name }) => name) }, seed))
  return typeof filled === 'string' ? plain : filled
}

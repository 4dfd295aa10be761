/** The samples of a training that leaves its settings open: what was chosen is tried on the rows, and given up where they do not carry it. */
import type { DetectorParams } from '../detectors/index.ts'
import { DeepWatchError } from '../errors.ts'
import type { Span } from '../reader/index.ts'
import type { DerivedFeature } from '../schemas/index.ts'
import type { ColumnPlan } from '../telemetry/index.ts'
import { type AutoPlan, chooseAuto, mostWithoutHistory, type TelemetryShape } from './auto.ts'
import type { Drawn } from './samples.ts'

/** One pass over the rows, for a detector, with these derived features beside those of the request. */
export type Draw = (detector: DetectorParams, derived: readonly DerivedFeature[]) => Promise<Drawn>

/** What speaks against windows and against nothing else. */
const windowTroubles: Readonly<Record<string, string>> = {
  insufficient_data:
    'Hardly any row has the history that windows need, because of gaps, missing values or the order of rows',
  history_too_large: 'The windows of all entities need more memory than they may take',
  training_too_large: 'A training with derived features needs more memory than it may take',
}

/**
 * Chooses, and draws the samples for it. Windows that leave too many rows without history, or need too much memory, are given
 * up for one more pass without them. A column without any value keeps every row from having a history: where there is
 * one, windows are tried once more over the others. Errors: those of `drawSamples`.
 */
export async function drawChosen(
  draw: Draw,
  { roles, features, derived }: ColumnPlan,
  span: Span,
  seed: number | undefined,
): Promise<{ readonly plan: AutoPlan; readonly drawn: Drawn }> {
  const shape: TelemetryShape = {
    columns: features.map(({ name }) => name),
    hasTimestamp: roles.timestamp !== null,
    rows: span.rowsInWindow,
    tied: roles.entity === null ? (span.tied ?? null) : null,
    ownDerived: derived.length > 0,
  }
  const attempt = async (plan: AutoPlan) => {
    try {
      const drawn = await draw(plan.detector, plan.derived)
      const lacking = drawn.rowsWithoutHistory / span.rowsInWindow
      const isCarried = plan.derived.length === 0 || lacking <= mostWithoutHistory
      return isCarried
        ? { plan, drawn }
        : `${percent(lacking)} % of the rows have too little history for windows, because of gaps, missing values or the order of rows`
    } catch (error) {
      const trouble = error instanceof DeepWatchError ? windowTroubles[error.code] : undefined
      if (plan.derived.length === 0 || trouble === undefined) throw error
      return trouble
    }
  }
  const first = await attempt(chooseAuto(shape, seed))
  if (typeof first !== 'string') return first
  const plain = chooseAuto(shape, seed, first)
  const drawn = await draw(plain.detector, [])
  if (drawn.columns.length === features.length) return { plan: plain, drawn }
  const filled = await attempt(chooseAuto({ ...shape, columns: drawn.columns.map(({ name }) => name) }, seed))
  return typeof filled === 'string' ? { plan: plain, drawn } : filled
}

const percent = (share: number) => (100 * share).toFixed(1)

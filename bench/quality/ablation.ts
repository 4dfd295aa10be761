/** The pieces that `auto` is made of, each alone beside a plain forest and each left out of the whole. */
import type { DetectorParams } from '../../src/detectors/detector.ts'
import { detectors } from '../../src/detectors/list.ts'
import type { AutoPlan } from '../../src/training/auto.ts'

/** Something else than what `auto` chose. Guards are told apart by the two lines of every table. */
export interface Variant {
  readonly id: string
  readonly change: (plan: AutoPlan) => AutoPlan
  /** Rows the score is averaged over, where it is. */
  readonly smooth?: number
}

const parse = (settings: { readonly type: string; readonly [setting: string]: unknown }): DetectorParams =>
  detectors.get(settings.type)!.params.parse(settings)
const members = ['isolation-forest', 'mahalanobis']

const forest = (plan: AutoPlan): AutoPlan => ({
  ...plan,
  detector: parse({ type: 'isolation-forest' }),
  threshold: { contamination: 0.01 },
  habituation: null,
})
const withoutWindows = (plan: AutoPlan): AutoPlan => ({ ...plan, derived: [] })
const withoutHabituation = (plan: AutoPlan): AutoPlan => ({ ...plan, habituation: null })
/** All features at once, by the soft maximum. */
const oneView = (plan: AutoPlan): AutoPlan =>
  plan.detector.type === 'ensemble' ? { ...plan, detector: parse({ type: 'ensemble', members }) } : plan
const same = (plan: AutoPlan): AutoPlan => plan

const smoothRows = 12

export const variants: readonly Variant[] = [
  { id: 'plain forest', change: (plan) => withoutWindows(forest(plan)) },
  { id: 'forest + ensemble', change: (plan) => withoutHabituation(oneView(withoutWindows(plan))) },
  { id: 'forest + windows, which is auto - ensemble', change: forest },
  { id: 'forest + smoothing', change: (plan) => withoutWindows(forest(plan)), smooth: smoothRows },
  { id: 'auto', change: same },
  { id: 'auto - windows', change: (plan) => oneView(withoutWindows(plan)) },
  { id: 'auto - views', change: oneView },
  { id: 'auto - habituation', change: withoutHabituation },
  { id: 'auto + smoothing', change: same, smooth: smoothRows },
]

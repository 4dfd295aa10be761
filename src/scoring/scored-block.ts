/** Scored rows as the doors see them: per row its score, and everything that can be said about it. */
import { historyMarks } from '../history/index.ts'
import type { Block } from '../kernels/index.ts'
import { rowMarks } from '../kernels/models/index.ts'
import { type Guards, outsideOf } from '../kernels/scores/index.ts'
import type { BlockScores } from '../pool/index.ts'
import type { RowReason, UnscoredReason } from '../schemas/index.ts'
import type { RowFacts } from '../telemetry/index.ts'
import type { VersionPlan } from './version-plan.ts'

/** Why a row with this mark has no score. */
export const reasonOf: readonly (UnscoredReason | null)[] = Object.assign([null, null, null, null, null, null], {
  [rowMarks.missing]: 'missing_value',
  [rowMarks.nonFinite]: 'non_finite_value',
  [historyMarks.insufficient]: 'insufficient_history',
  [historyMarks.late]: 'out_of_order',
})

const nothing: readonly never[] = []

/** Reasons given for a row, at most. */
const maxReasons = 10

type ScoredPlan = Pick<VersionPlan, 'names' | 'features' | 'guards'>
type GuardsAt = (row: number) => Guards | null

/**
 * Scored rows that follow each other. Everything in it is valid until the next one is asked for; its functions are not to be taken
 * out of it. A class, as a request of one row pays for every closure.
 */
export class ScoredBlock {
  readonly rows: number
  /** One per row; NaN where the row has no score. */
  readonly scores: Float64Array
  /** What is told beside. */
  readonly facts: RowFacts
  readonly #flags: Uint8Array
  readonly #block: Block<ArrayBufferLike>
  readonly #plan: ScoredPlan
  readonly #guardsAt: GuardsAt | null

  /** @param guardsAt what the values of a row are held against; the plan's own without it */
  constructor(
    plan: ScoredPlan,
    facts: RowFacts,
    block: Block<ArrayBufferLike>,
    { scores, flags }: BlockScores,
    guardsAt: GuardsAt | null = null,
  ) {
    this.rows = facts.rows
    this.scores = scores
    this.facts = facts
    this.#flags = flags
    this.#block = block
    this.#plan = plan
    this.#guardsAt = guardsAt
  }

  /** Why a row has no score, or null. */
  reason(row: number): UnscoredReason | null {
    return reasonOf[this.#flags[row]!] ?? null
  }

  /** Values of a row that training never saw, which raised its score; the strongest first. */
  reasons(row: number): readonly RowReason[] {
    const { names } = this.#plan
    const guards = this.#guardsAt === null ? this.#plan.guards : this.#guardsAt(row)
    if (guards === null) return nothing
    return outsideOf(guards, this.#block, row, maxReasons).map(({ column, isNovel }) => {
      return { reason: isNovel ? 'novel_value' : 'out_of_range', feature: names[column]! }
    })
  }

  /** Features of a row that had no usable value: filled with the median, or the reason why it has no score. */
  lacking(row: number): readonly string[] {
    const mark = this.#flags[row]!
    if (mark === rowMarks.usable) return nothing
    const { names, features } = this.#plan
    const { values, stride } = this.#block
    // What is derived is told where it is the reason, and never counts as missing or filled.
    const isHistory = mark >= historyMarks.insufficient
    return names.filter(
      (_, column) => 'derived' in features[column]! === isHistory && !Number.isFinite(values[column * stride + row]),
    )
  }
}

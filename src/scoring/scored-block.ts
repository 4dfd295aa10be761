/** Scored rows as the doors see them: per row its score, and everything that can be said about it. */
import { historyMarks } from '../history/index.ts'
import type { Block } from '../kernels/index.ts'
import { rowMarks } from '../kernels/models/index.ts'
import type { Guards } from '../kernels/scores/index.ts'
import type { BlockScores } from '../pool/index.ts'
import type { RowReason, UnscoredReason } from '../schemas/index.ts'
import type { RowFacts } from '../telemetry/index.ts'
import { reasonsOf } from './telemetry-guards.ts'
import type { VersionPlan } from './version-plan.ts'

/** Scored rows that follow each other. Everything in it is valid until the next one is asked for; its functions are not to be taken out of it. */
export interface ScoredBlock extends RowFacts {
  /** One per row; NaN where the row has no score. */
  readonly scores: Float64Array
  /** Why a row has no score, or null. */
  reason(row: number): UnscoredReason | null
  /** Values of a row that training never saw, which raised its score. */
  reasons(row: number): readonly RowReason[]
  /** Features of a row that had no usable value: filled with the median, or the reason why it has no score. */
  lacking(row: number): readonly string[]
}

/** Why a row with this mark has no score. */
export const reasonOf: readonly (UnscoredReason | null)[] = Object.assign([null, null, null, null, null, null], {
  [rowMarks.missing]: 'missing_value',
  [rowMarks.nonFinite]: 'non_finite_value',
  [historyMarks.insufficient]: 'insufficient_history',
  [historyMarks.late]: 'out_of_order',
})

const nothing: readonly never[] = []

type ScoredPlan = Pick<VersionPlan, 'names' | 'features' | 'guards'>
type GuardsAt = (row: number) => Guards | null

/** The rows of a block with their scores. A class, as a request of one row pays for every closure. */
export class ScoredRows implements ScoredBlock {
  readonly scores: Float64Array
  readonly #flags: Uint8Array
  readonly #facts: RowFacts
  readonly #block: Block<ArrayBufferLike>
  readonly #plan: ScoredPlan
  readonly #guardsAt: GuardsAt | null

  /** @param facts what is told beside. @param guardsAt what the values of a row are held against; the plan's own without it */
  constructor(
    plan: ScoredPlan,
    facts: RowFacts,
    block: Block<ArrayBufferLike>,
    { scores, flags }: BlockScores,
    guardsAt: GuardsAt | null = null,
  ) {
    this.scores = scores
    this.#flags = flags
    this.#facts = facts
    this.#block = block
    this.#plan = plan
    this.#guardsAt = guardsAt
  }

  get rows(): number {
    return this.#facts.rows
  }

  get labels(): Float64Array | null {
    return this.#facts.labels
  }

  get times(): Float64Array | null {
    return this.#facts.times
  }

  position(row: number): number {
    return this.#facts.position(row)
  }

  label(row: number): number {
    return this.#facts.label(row)
  }

  time(row: number): number {
    return this.#facts.time(row)
  }

  text(row: number): string | null {
    return this.#facts.text(row)
  }

  reason(row: number): UnscoredReason | null {
    return reasonOf[this.#flags[row]!] ?? null
  }

  reasons(row: number): readonly RowReason[] {
    const { guards, names } = this.#plan
    return reasonsOf(this.#guardsAt === null ? guards : this.#guardsAt(row), names, this.#block, row)
  }

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

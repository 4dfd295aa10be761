/** Scored rows as the doors see them: per row its score, and everything that can be said about it. */
import { isDerived } from './derived.ts'
import { historyMarks } from './history-marks.ts'
import type { Block } from './kernels/block.ts'
import type { Guards } from './kernels/guards.ts'
import { rowMarks } from './kernels/profile.ts'
import { placesOf } from './lanes.ts'
import type { BlockScores } from './pool.ts'
import type { ExtraLanes, FeatureBlock } from './reader-types.ts'
import type { VersionDocument } from './schemas/model.ts'
import type { RowReason, UnscoredReason } from './schemas/score.ts'
import { reasonsOf } from './telemetry-guards.ts'
import type { VersionPlan } from './version-plan.ts'

/** A stretch of scored rows. Everything in it is valid until the next one is asked for. */
export interface ScoredBlock {
  readonly rows: number
  /** One per row; NaN where the row has no score. */
  readonly scores: Float64Array
  /** Position of a row of the block in the source. */
  position(row: number): number
  /** Why a row has no score, or null. */
  reason(row: number): UnscoredReason | null
  /** Values of a row that training never saw, which raised its score. */
  reasons(row: number): readonly RowReason[]
  /** Features of a row that had no usable value: filled with the median, or the reason why it has no score. */
  lacking(row: number): readonly string[]
  /** The label lane: 1, 0, or NaN for null; NaN too when it was not asked for. */
  label(row: number): number
  /** The timestamp lane in epoch microseconds; NaN when unknown or not asked for. */
  time(row: number): number
  /** The columns asked for with `include`, as members of a JSON object; null when none were. */
  text(row: number): string | null
  /** The label lane and the timestamp lane as a whole, an entry per row; null when they were not asked for. */
  readonly labels: Float64Array | null
  readonly times: Float64Array | null
}

/** Why a row with this mark has no score. */
export const reasonOf: readonly (UnscoredReason | null)[] = Object.assign([null, null, null, null, null, null], {
  [rowMarks.missing]: 'missing_value',
  [rowMarks.nonFinite]: 'non_finite_value',
  [historyMarks.insufficient]: 'insufficient_history',
  [historyMarks.late]: 'out_of_order',
})

const nothing: readonly never[] = []

/** The rows of a block with their scores; `facts` are what is told beside, `guardsAt` what the values of a row are held against. */
export function scoredBlock(
  { features }: VersionDocument,
  { names, guards }: VersionPlan,
  facts: RowFacts,
  block: Block<ArrayBufferLike>,
  { scores, flags }: BlockScores,
  guardsAt: (row: number) => Guards | null = () => guards,
): ScoredBlock {
  const { rows, position, label, time, text, labels, times } = facts
  return {
    // Named one by one: to copy whatever is there took a fiftieth of a request of one row.
    rows,
    position,
    label,
    time,
    text,
    labels,
    times,
    scores,
    reason: (row) => reasonOf[flags[row]!] ?? null,
    reasons: (row) => reasonsOf(guardsAt(row), names, block, row),
    lacking(row) {
      const mark = flags[row]!
      if (mark === rowMarks.usable) return nothing
      // What is derived is told where it is the reason, and never counts as missing or filled.
      const isHistory = mark >= historyMarks.insufficient
      return names.filter(
        (_, lane) =>
          isDerived(features[lane]!) === isHistory && !Number.isFinite(block.values[lane * block.stride + row]),
      )
    },
  }
}

/** What is told about rows beside their features. */
export type RowFacts = Pick<ScoredBlock, 'rows' | 'position' | 'label' | 'time' | 'text' | 'labels' | 'times'>

/** Reads what stands behind the `features` first lanes of a block. */
export function rowFacts(features: number, lanes: ExtraLanes, { block, first, text }: FeatureBlock): RowFacts {
  const places = placesOf(features, lanes)
  const laneAt = (place: number | null) =>
    place === null ? null : block.values.subarray(block.stride * place, block.stride * place + block.rows)
  const [positions, times, labels] = [laneAt(places.row), laneAt(places.timestamp), laneAt(places.label)]
  return {
    rows: block.rows,
    position: (row) => (positions === null ? first + row : positions[row]!),
    label: (row) => labels?.[row] ?? Number.NaN,
    time: (row) => times?.[row] ?? Number.NaN,
    text: (row) => text?.[row] ?? null,
    labels,
    times,
  }
}

const itself = (row: number) => row
const unknown = () => Number.NaN
const none = () => null

/** What is told about rows that are the whole source and echo nothing. */
export const factsOfFew = (rows: number): RowFacts => ({
  rows,
  position: itself,
  label: unknown,
  time: unknown,
  text: none,
  labels: null,
  times: null,
})

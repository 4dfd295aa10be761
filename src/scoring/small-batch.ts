/**
 * The small batch: one of the two ways in which rows of a JSON body become a block. It takes rows whose every key is a feature, or a
 * role that scoring passes over, and whose every value is what it has to be; most live requests are like that. All others go to
 * the complete reader (`readRows`, `planScoring`), which knows every kind of column and says what is wrong; a row that both take gets the
 * same bits from both.
 */
import { type BatchColumn, type Rows, SmallBatch } from '../json/index.ts'
import type { Block } from '../kernels/index.ts'
import { rowMarks } from '../kernels/models/index.ts'
import type { ScoredCounts } from '../observe/index.ts'
import type { Pool } from '../pool/index.ts'
import type { ModelHandle } from '../registry/index.ts'
import type { Roles, ScoreSettings, ScoreSummary, VersionDocument } from '../schemas/index.ts'
import { plainFacts, type TimeContext } from '../telemetry/index.ts'
import { parseTimestamp } from '../time/index.ts'
import type { Work } from '../work.ts'
import { ScoreAccount } from './account.ts'
import { ScoredBlock } from './scored-block.ts'
import { emptyFeatures } from './source-warnings.ts'
import { planVersion, scoringModel, type VersionPlan } from './version-plan.ts'

/** The rows of a request as one block, where nothing but the rows themselves has to be looked at; otherwise null. */
export function smallBatchOf(
  { document }: ModelHandle<VersionDocument>,
  settings: Omit<ScoreSettings, 'return'>,
): Block<ArrayBuffer> | null {
  const {
    rows,
    timestamp,
    entity,
    label,
    window,
    include,
    timestampUnit,
    timestampFormat,
    nullValues,
    pivot,
    flatten,
  } = settings
  if (!rows || (timestamp ?? entity ?? label ?? window ?? include) !== undefined) return null
  if ((timestampUnit ?? timestampFormat ?? nullValues ?? pivot ?? flatten) !== undefined) return null
  const plan = planVersion(document)
  return plan.isRowWise ? blockOfSmallBatch(rows, plan, document.roles) : null
}

/**
 * The features of a small batch in the model's order, in memory of their own; null for rows that the complete reader has to look at.
 * @param roles of the model; the request names no others
 */
export function blockOfSmallBatch(
  rows: Rows,
  { features, placeOf, timeContext }: Pick<VersionPlan, 'features' | 'placeOf' | 'timeContext'>,
  roles: Roles,
): Block<ArrayBuffer> | null {
  if (!(rows instanceof SmallBatch)) return null
  const count = rows.length
  const values = new Float64Array(features.length * count)
  let times: Float64Array | null = null
  let found = 0
  for (const column of rows.columns) {
    const { name, numbers, texts } = column
    const place = placeOf.get(name)
    if (place !== undefined) {
      if (texts.length > 0) return null
      values.set(numbers, place * count)
      found++
    } else if (name === roles.timestamp) {
      times = timesOf(column)
      if (times === null) return null
    } else if (!isPassedOver(name, roles)) return null
  }
  // A feature that no row has is missing from the source, which is refused.
  if (found < placeOf.size) return null
  const block = { values, stride: count, rows: count, columns: features.length }
  if (!features.some((feature) => 'timeContext' in feature)) return block
  if (times === null || timeContext === null) return null
  fillTimeContext(block, features, times, timeContext)
  return block
}

function fillTimeContext(
  { values, rows }: Block<ArrayBuffer>,
  features: VersionPlan['features'],
  times: Float64Array,
  context: TimeContext,
): void {
  for (const [place, feature] of features.entries()) {
    if (!('timeContext' in feature)) continue
    for (let row = 0; row < rows; row++) values[place * rows + row] = context.value(feature.timeContext, times[row]!)
  }
}

/** Epoch microseconds, NaN for null; null for a column that holds anything but times. */
function timesOf({ numbers, texts }: BatchColumn): Float64Array | null {
  if (numbers.some((value) => !Number.isNaN(value))) return null
  if (numbers.length > 0) return Float64Array.from(numbers)
  const times = texts.map((text) => (text === null ? Number.NaN : parseTimestamp(text)))
  return times.includes(null) ? null : Float64Array.from(times as number[])
}

/** Without a named timestamp any column may be one. */
const isPassedOver = (name: string, { timestamp, entity, label }: Roles) =>
  timestamp !== null && (name === entity || name === label)

/** A scored small batch: everything at once, with nothing to wait for any more. */
export interface ScoredBatch {
  readonly block: ScoredBlock
  readonly summary: ScoreSummary
}

/** As `scoreStream`, for rows that `smallBatchOf` made a block of; they are counted once they are scored. */
export async function scoreSmallBatch(
  { pool, onScored }: { pool: Pool; onScored: (model: string, version: number, counts: ScoredCounts) => void },
  handle: ModelHandle<VersionDocument>,
  block: Block<ArrayBuffer>,
  work: Work,
): Promise<ScoredBatch> {
  const plan = planVersion(handle.document)
  const account = new ScoreAccount(handle)
  work.progress?.begin('scoring', block.rows)
  const result = await pool.score(scoringModel(handle, plan), block, {
    givenUp: () => (work.givenUp ? work.givenUp() : work.signal.reason),
  })
  account.enter(block.rows, result)
  work.progress?.advance(block.rows)
  // A usable row has a value of every feature.
  const isComplete = result.flags[0] === rowMarks.usable
  const { summary, counts } = account.close(isComplete ? [] : emptyFeatures(plan.names, block))
  onScored(handle.name, handle.version, counts)
  return { block: new ScoredBlock(plan, plainFacts(block.rows), block, result), summary }
}

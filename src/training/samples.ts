/** The first pass over the training rows: profile, samples, and what is left out. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Inspection } from '../../workers/messages.ts'
import { DeepWatchError } from '../errors.ts'
import { inOrder } from '../flow.ts'
import {
  emptyProfile,
  mergeProfiles,
  type Profile,
  profileSampleRows,
  quantiles,
  usableRows,
} from '../kernels/models/index.ts'
import {
  fillSample,
  RowDraw,
  rowDrawBytes,
  type Sample,
  type SampleSet,
  sampleOf,
  streams,
} from '../kernels/sampling/index.ts'
import type { Pool } from '../pool/index.ts'
import type {
  Column,
  ExtraLanes,
  FeatureBlock,
  FeatureLane,
  FeatureQuery,
  HistoryQuery,
  ReadWindow,
} from '../reader/index.ts'
import type { Warning } from '../schemas/index.ts'
import { type Derived, placesOf, quote, type Telemetry } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import {
  collectEntities,
  type EntityCollector,
  type EntityPlan,
  type EntitySamples,
  entitySampleBytes,
} from './entities.ts'
import type { TimeContextPlan } from './time.ts'

/** Above this share of affected rows the rule `reject` refuses to train. */
const mostRejected = 0.05
/** The training profile is drawn with a seed of its own, so that it does not depend on the model's. */
const profileSeed = 0

export interface SamplePlan {
  readonly columns: readonly Column[]
  readonly derived: readonly Derived[]
  /** How these are derived; undefined when there are none. */
  readonly history: HistoryQuery | undefined
  /** The columns were asked for by name: one without a value is an error instead of being dropped. */
  readonly named: boolean
  readonly time: TimeContextPlan
  readonly timestamp: string | null
  readonly window: ReadWindow | undefined
  readonly rowsInWindow: number
  readonly rule: 'reject' | 'median' | 'skip'
  readonly reservoirs: { readonly count: number; readonly size: number }
  /** With a model per entity, those that may get one. */
  readonly entities: EntityPlan | null
  /** What is read of the rows beside when they are scored, and the column of their entity, which some of that needs. */
  readonly beside: ExtraLanes
  readonly entity: string | null
  /** Bytes that fitting takes for a number of features, beside the samples. */
  readonly fitBytes: (features: number) => number
  readonly mostBytes: number
  readonly ahead: number
  readonly seed: number
}

export interface Drawn {
  /** The feature matrix's lanes, in order; `columns` are those that are columns of the source. */
  readonly lanes: readonly FeatureLane[]
  readonly columns: readonly Column[]
  readonly derived: readonly Derived[]
  /** Reads the same rows again. */
  readonly query: FeatureQuery
  /** Over the rows that are trained on; missing and infinite values are counted over all rows in the window. */
  readonly profile: Profile
  readonly profileSample: Sample
  readonly samples: SampleSet
  /** With a model per entity, what these are fitted from. */
  readonly entities: EntitySamples | null
  /** Training median per lane with the rule `median`, else null. */
  readonly fill: Float64Array | null
  readonly rowsUsed: number
  readonly rowsLeftOut: number
  readonly rowsFilled: number
  /** Rows of which something derived is not known: these were not looked at. */
  readonly rowsWithoutHistory: number
  readonly warnings: readonly Warning[]
}

/**
 * Draws one sample per piece of the model, in one pass, and profiles every lane. A column that was not
 * asked for and has no value at all is dropped with a warning, which costs one more pass; so does telemetry of which more than
 * a tenth of the rows cannot be used, as the rows are drawn before it is known which these are.
 * Errors: `training_too_large`, `too_many_missing`, `insufficient_data`, and those of the stream.
 */
export async function drawSamples(telemetry: Telemetry, pool: Pool, plan: SamplePlan, work: Work): Promise<Drawn> {
  const passOver = (columns: readonly Column[], mostRows: number, isExact = usesEveryRow(plan)) =>
    onePass(telemetry, pool, preparePass(plan, columns, mostRows, isExact), work)
  /** What a pass came to; where too few of the drawn rows could be used, that of another one. */
  const collect = async (columns: readonly Column[], pass: Pass, warnings: readonly Warning[]) => {
    if (plan.rule === 'reject' && pass.unusable > mostRejected * pass.rows) refuse(pass)
    const drawn = finishDraws(pass)
    if (drawn) return finish(plan, columns, pass, drawn, warnings)
    const again = await passOver(columns, pass.samples.seen, true)
    const others = finishDraws(again)
    if (others) return finish(plan, columns, again, others, warnings)
    throw new DeepWatchError('source_changed', 'The second reading of the source brought fewer rows than the first.')
  }
  const first = await passOver(plan.columns, plan.rowsInWindow)
  if (plan.history) requireHistory(first.rows, plan)
  const empty = plan.columns.filter((_, lane) => first.profile.missing[lane] === first.rows)
  if (empty.length === 0) return collect(plan.columns, first, [])
  const names = empty.map((column) => column.name)
  if (plan.named)
    throw new DeepWatchError('too_many_missing', `${quote(names[0]!)} has no value in any row.`, {
      facts: { columns: names.slice(0, 100) },
    })
  const columns = plan.columns.filter((column) => !empty.includes(column))
  if (columns.length === 0) throw new DeepWatchError('no_features', 'No numeric or boolean column has a value.')
  const warning = {
    code: 'empty_columns',
    message: 'Columns without a single value were not learnt from.',
    columns: names.slice(0, 100),
  }
  return collect(columns, await passOver(columns, plan.rowsInWindow), [warning])
}

function requireHistory(rows: number, { derived, rowsInWindow }: SamplePlan): void {
  if (rows >= 2) return
  throw new DeepWatchError(
    'insufficient_data',
    `${rows} of ${rowsInWindow} rows have enough history for the derived features; training needs at least 2. A shorter window or a longer maxGap leaves out fewer.`,
    { facts: { rows, needed: 2, features: derived.slice(0, 100).map(({ name }) => name) } },
  )
}

/** What one pass collects. `offenders` has per lane the first affected rows, as positions in the source. */
interface Pass {
  readonly query: FeatureQuery
  readonly lanes: readonly FeatureLane[]
  readonly leavesOut: boolean
  readonly expectedRows: number
  readonly ahead: number
  readonly samples: RowDraw
  readonly profileSample: RowDraw
  readonly entities: EntityCollector | null
  rows: number
  unusable: number
  profile: Profile
  readonly offenders: number[][]
}

async function onePass(telemetry: Telemetry, pool: Pool, pass: Pass, work: Work): Promise<Pass> {
  const { signal, progress } = work
  progress?.begin('sampling', pass.expectedRows)
  const options = { signal, patient: true, usableOnly: pass.leavesOut }
  const blocks = inOrder(telemetry.features(pass.query), pass.ahead, async (piece) => ({
    piece,
    inspection: await pool.inspect(piece.block, pass.lanes.length, options),
  }))
  for await (const { piece, inspection } of blocks) {
    // While the blocks behind the first one are read.
    if (pass.rows === 0) for (const draw of [pass.samples, pass.profileSample]) await inTurns(draw.draw(), signal)
    await takeBlock(pass, piece, inspection, signal)
    progress?.advance(piece.block.rows)
    piece.release()
  }
  return pass
}

/** Runs through long work; whenever it pauses, others have a turn on the event loop. */
async function inTurns(work: Generator<void>, signal: AbortSignal): Promise<void> {
  for (const _ of work) {
    await nextTurn()
    signal.throwIfAborted()
  }
}

/** Whether every row of the window can be used, whatever it holds. */
const usesEveryRow = ({ rule, history }: SamplePlan) => rule === 'median' && history === undefined

/**
 * @param mostRows rows that can be used, at most
 * @param isExact whether all of them can be
 */
function preparePass(plan: SamplePlan, columns: readonly Column[], mostRows: number, isExact: boolean): Pass {
  const lanes: FeatureLane[] = [
    ...columns.map((column) => ({ name: column.name, kind: column.kind as 'number' | 'boolean' })),
    ...plan.derived.map(({ name }, derived) => ({ derived, name })),
    ...plan.time.lanes.map((timeContext) => ({ timeContext })),
  ]
  const features = lanes.length
  const rows = { lanes: features, rows: mostRows, isExact }
  const samples = { ...plan.reservoirs, ...rows, seed: plan.seed, stream: streams.sample }
  const profile = { ...rows, count: 1, size: profileSampleRows, seed: profileSeed, stream: () => streams.profile }
  const entityBytes = plan.entities === null ? 0 : entitySampleBytes(plan.entities, features)
  const bytes = rowDrawBytes(samples) + rowDrawBytes(profile) + plan.fitBytes(features) + entityBytes
  if (bytes > plan.mostBytes) {
    throw new DeepWatchError(
      'training_too_large',
      `Training would take ${Math.ceil(bytes / 2 ** 20)} MiB; the limit is ${Math.floor(plan.mostBytes / 2 ** 20)} MiB. Fewer trees, a smaller sampleSize or fewer features need less.`,
      {
        facts: { bytes, limit: plan.mostBytes },
      },
    )
  }
  return {
    query: {
      features: lanes,
      timestamp: plan.timestamp ?? undefined,
      transitions: plan.time.transitions ?? undefined,
      window: plan.window,
      // Rows without history are not looked at: they would count as missing, and they are not.
      history: plan.history && { ...plan.history, completeOnly: true },
      lanes: {
        ...(plan.entities && { entity: true }),
        // Only then does a row's place in the source differ from its place in the stream.
        ...((plan.window || plan.history) && { row: true }),
        // Read now, so that these blocks are those that are scored. With histories they are others.
        ...(plan.history === undefined && plan.beside),
      },
      entity: plan.entity ?? undefined,
      entities: plan.entities?.candidates.map(({ name }) => name),
    },
    lanes,
    leavesOut: plan.rule !== 'median',
    expectedRows: plan.rowsInWindow,
    ahead: plan.ahead,
    samples: new RowDraw(samples),
    profileSample: new RowDraw(profile),
    entities: plan.entities && collectEntities(plan.entities, features, plan.seed),
    rows: 0,
    unusable: 0,
    profile: emptyProfile(features),
    offenders: Array.from({ length: features }, () => []),
  }
}

async function takeBlock(pass: Pass, piece: FeatureBlock, inspection: Inspection, signal: AbortSignal): Promise<void> {
  const { block, first } = piece
  const features = pass.lanes.length
  const row = placesOf(features, pass.query.lanes ?? {}).row
  const rowLane = row === null ? null : row * block.stride
  inspection.firsts.forEach((positions, lane) => {
    for (const position of positions) {
      if (pass.offenders[lane]!.length < 3)
        pass.offenders[lane]!.push(rowLane === null ? first + position : block.values[rowLane + position]!)
    }
  })
  const positions = pass.leavesOut ? usableRows(inspection.marks) : null
  const offered = positions?.length ?? block.rows
  for (const draw of [pass.samples, pass.profileSample]) await inTurns(draw.offer(block, positions, offered), signal)
  pass.entities?.offer(block, positions)
  pass.profile = pass.rows === 0 ? inspection.profile : mergeProfiles(pass.profile, inspection.profile)
  pass.rows += block.rows
  pass.unusable += inspection.count
}

interface FinishedDraws {
  readonly samples: SampleSet
  readonly profileSample: Sample
}

/** Null when too few of the drawn rows could be used. */
function finishDraws(pass: Pass): FinishedDraws | null {
  const samples = pass.samples.finish()
  const profile = pass.profileSample.finish()
  return samples && profile && { samples, profileSample: sampleOf(profile, 0) }
}

function finish(
  plan: SamplePlan,
  columns: readonly Column[],
  pass: Pass,
  { samples, profileSample }: FinishedDraws,
  warnings: readonly Warning[],
): Drawn {
  const { leavesOut } = pass
  const rowsLeftOut = leavesOut ? pass.unusable : 0
  const rowsUsed = pass.rows - rowsLeftOut
  const fill = leavesOut ? null : medians(pass, profileSample)
  if (fill && pass.unusable > 0) for (let k = 0; k < samples.count; k++) fillSample(sampleOf(samples, k), fill)
  const left =
    rowsLeftOut > 0
      ? [
          {
            code: 'rows_left_out',
            message: `${rowsLeftOut} of ${pass.rows} rows have missing or non-finite values and were left out.`,
          },
        ]
      : []
  const { history } = plan
  return {
    lanes: pass.lanes,
    columns,
    derived: plan.derived,
    query: {
      ...pass.query,
      history,
      lanes: { ...plan.beside, ...(plan.window && { row: true }), ...(history && { history: true }) },
      entities: undefined,
    },
    rowsWithoutHistory: history ? plan.rowsInWindow - pass.rows : 0,
    profile: pass.profile,
    profileSample,
    samples,
    entities: pass.entities?.finish(fill) ?? null,
    fill,
    rowsUsed,
    rowsLeftOut,
    rowsFilled: leavesOut ? 0 : pass.unusable,
    warnings: [...warnings, ...left],
  }
}

function refuse(pass: Pass): never {
  const affected = pass.lanes
    .map((lane, index) => ({
      column: laneName(lane),
      rows: pass.profile.missing[index]! + pass.profile.infinite[index]!,
      firstRows: pass.offenders[index]!,
    }))
    .filter((entry) => entry.rows > 0)
    .sort((a, b) => b.rows - a.rows)
    .slice(0, 100)
  const worst = affected[0]!
  throw new DeepWatchError(
    'too_many_missing',
    `${pass.unusable} of ${pass.rows} rows have missing or non-finite values, most of them in ${quote(worst.column)} (${worst.rows} rows, the first at ${worst.firstRows.join(', ')}); the rule reject allows 5 %.`,
    { facts: { rows: pass.rows, affectedRows: pass.unusable, columns: affected } },
  )
}

function medians(pass: Pass, sample: Sample): Float64Array {
  return Float64Array.from(pass.lanes, (lane, index) => {
    const median = quantiles(sample, index, [0.5])[0]!
    if (Number.isNaN(median))
      throw new DeepWatchError(
        'too_many_missing',
        `${quote(laneName(lane))} has no finite value to take a median of.`,
        { facts: { columns: [laneName(lane)] } },
      )
    return median
  })
}

/** The name a lane has in documents and messages. */
export function laneName(lane: FeatureLane): string {
  return 'timeContext' in lane ? lane.timeContext : lane.name
}

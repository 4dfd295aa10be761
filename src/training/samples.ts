/** Second step of a training: one pass over the rows draws the samples and the profile, and says which rows are left out. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Inspection } from '../../workers/messages.ts'
import { type DetectorParams, detectors } from '../detectors/index.ts'
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
import type { Column, FeatureBlock, FeatureColumn, FeatureQuery, HistoryQuery } from '../reader/index.ts'
import type { DerivedFeature, Warning } from '../schemas/index.ts'
import { type Derived, describeDerived, historyQuery, nameList, placesOf, quote } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import { collectEntities, type EntityCollector, type EntitySamples, entitySampleBytes } from './entities.ts'
import type { StepParts, TrainingPlan } from './plan.ts'

/** Above this share of affected rows the rule `reject` refuses to train. */
const maxRejected = 0.05
/** The training profile is drawn with a seed of its own, so that it does not depend on the model's. */
const profileSeed = 0

export interface Drawn {
  /** The columns of the feature matrix, in order; `columns` are those that are columns of the source. */
  readonly features: readonly FeatureColumn[]
  readonly columns: readonly Column[]
  readonly derived: readonly Derived[]
  /** How many features, the first, are columns of the source; undefined when nothing is derived from them. */
  readonly measured: number | undefined
  readonly query: FeatureQuery
  /** Over the rows that are trained on; missing and infinite values are counted over all rows in the window. */
  readonly profile: Profile
  readonly profileSample: Sample
  readonly samples: SampleSet
  /** With a model per entity, what these are fitted from. */
  readonly entities: EntitySamples | null
  /** Training median per feature with the rule `median`, else null. */
  readonly fill: Float64Array | null
  readonly rowsUsed: number
  readonly rowsLeftOut: number
  readonly rowsFilled: number
  /** Rows of which something derived is not known: these were not looked at. */
  readonly rowsWithoutHistory: number
  readonly warnings: readonly Warning[]
}

interface Draw {
  readonly parts: StepParts
  readonly plan: TrainingPlan
  readonly params: DetectorParams
  readonly derived: readonly Derived[]
  /** How these are derived; undefined when there are none. */
  readonly history: HistoryQuery | undefined
}

/**
 * Draws one sample per piece of the model, in one pass, and profiles every feature. A column that was not asked for and has no
 * value at all is dropped with a warning, which costs one more pass; so does telemetry of which more than a tenth of the rows
 * cannot be used, as the rows are drawn before it is known which these are.
 * @param chosen derived features beside those of the request
 * Errors: `training_too_large`, `too_many_missing`, `no_features`, `insufficient_data`, `source_changed`, and those of reading.
 */
export async function drawSamples(
  parts: StepParts,
  plan: TrainingPlan,
  params: DetectorParams,
  chosen: readonly DerivedFeature[],
  work: Work,
): Promise<Drawn> {
  const derived = describeAll(plan, chosen)
  const history = historyQuery(derived, plan.columns.roles.entity, parts.historyBytes)
  const draw: Draw = { parts, plan, params, derived, history }
  const { features: asked } = plan.columns
  const { rowsInWindow } = plan.span
  const first = await new SamplePass(draw, asked, rowsInWindow).read(work)
  if (history && first.rows < 2) throw lackingHistory(first.rows, draw)
  const empty = asked.filter((_, feature) => first.profile.missing[feature] === first.rows)
  if (empty.length === 0) return drawnFrom(first, [], work)
  const names = empty.map(({ name }) => name).slice(0, 100)
  if (plan.settings.features !== undefined)
    throw new DeepWatchError('too_many_missing', `${quote(names[0]!)} has no value in any row.`, {
      facts: { columns: names },
    })
  const columns = asked.filter((column) => !empty.includes(column))
  if (columns.length === 0) throw new DeepWatchError('no_features', 'No numeric or boolean column has a value.')
  const message = `Not learnt from, having no value in any row: ${nameList(names)}.`
  const second = await new SamplePass(draw, columns, rowsInWindow).read(work)
  return drawnFrom(second, [{ code: 'empty_columns', message, columns: names }], work)
}

/** What a pass came to; where too few of the drawn rows could be used, what another one does that knows their number. */
async function drawnFrom(pass: SamplePass, warnings: readonly Warning[], work: Work): Promise<Drawn> {
  pass.requireUsable()
  const drawn = pass.finish(warnings) ?? (await pass.repeated().read(work)).finish(warnings)
  if (drawn) return drawn
  throw new DeepWatchError('source_changed', 'The second reading of the source brought fewer rows than the first.')
}

/** Everything that is derived, with what the columns and the steps between rows say. */
function describeAll({ columns, span }: TrainingPlan, chosen: readonly DerivedFeature[]): Derived[] {
  const byName = new Map(columns.features.map((column) => [column.name, column]))
  const all = [...columns.derived, ...chosen.map((feature) => ({ feature, column: byName.get(feature.column)! }))]
  return all.map(({ feature, column }) =>
    describeDerived(feature, { kind: column.kind as 'number' | 'boolean', type: column.type }, span.interval ?? null),
  )
}

function lackingHistory(rows: number, { derived, plan }: Draw): DeepWatchError {
  return new DeepWatchError(
    'insufficient_data',
    `${rows} of ${plan.span.rowsInWindow} rows have enough history for the derived features; training needs at least 2. A shorter window or a longer maxGap leaves out fewer. Rows must come oldest first: if they are sorted newest first, sort them by time.`,
    { facts: { rows, needed: 2, features: derived.slice(0, 100).map(({ name }) => name) } },
  )
}

class SamplePass {
  readonly #draw: Draw
  readonly #columns: readonly Column[]
  readonly #features: readonly FeatureColumn[]
  readonly #query: FeatureQuery
  readonly #leavesOut: boolean
  readonly #samples: RowDraw
  readonly #profileSample: RowDraw
  readonly #entities: EntityCollector | null
  /** Per feature the first affected rows, as positions in the source. */
  readonly #offenders: number[][]
  #unusable = 0
  rows = 0
  profile: Profile

  /** @param isExact whether all of `maxRows` rows can be used */
  constructor(
    draw: Draw,
    columns: readonly Column[],
    maxRows: number,
    isExact = draw.plan.missing === 'median' && draw.history === undefined,
  ) {
    const { plan, params, derived, parts } = draw
    this.#draw = draw
    this.#columns = columns
    this.#features = [
      ...columns.map((column) => ({ name: column.name, kind: column.kind as 'number' | 'boolean' })),
      ...derived.map(({ name }, derived) => ({ derived, name })),
      ...plan.time.columns.map((timeContext) => ({ timeContext })),
    ]
    this.#query = passQuery(draw, this.#features)
    this.#leavesOut = plan.missing !== 'median'
    const features = this.#features.length
    const detector = detectors.get(params.type)!
    const rows = { columns: features, rows: maxRows, isExact }
    const samples = { ...detector.reservoirs(params), ...rows, seed: plan.seed, stream: streams.sample }
    const profile = { ...rows, count: 1, size: profileSampleRows, seed: profileSeed, stream: () => streams.profile }
    const entityBytes = plan.entities === null ? 0 : entitySampleBytes(plan.entities, features)
    const fitBytes = detector.maxBytes(params, features)
    requireRoom(rowDrawBytes(samples) + rowDrawBytes(profile) + fitBytes + entityBytes, parts.maxBytes)
    this.#samples = new RowDraw(samples)
    this.#profileSample = new RowDraw(profile)
    this.#entities = plan.entities && collectEntities(plan.entities, features, plan.seed)
    this.#offenders = Array.from({ length: features }, () => [])
    this.profile = emptyProfile(features)
  }

  /** The same pass over exactly the rows that this one could use. */
  repeated(): SamplePass {
    return new SamplePass(this.#draw, this.#columns, this.#samples.seen, true)
  }

  async read({ signal, progress }: Work): Promise<this> {
    const { parts, plan } = this.#draw
    progress?.begin('sampling', plan.span.rowsInWindow)
    const options = { signal, patient: true, usableOnly: this.#leavesOut }
    const blocks = inOrder(plan.telemetry.features(this.#query), parts.ahead, async (piece) => ({
      piece,
      inspection: await parts.pool.inspect(piece.block, this.#features.length, options),
    }))
    const draws = [this.#samples, this.#profileSample]
    for await (const { piece, inspection } of blocks) {
      // While the blocks behind the first one are read.
      if (this.rows === 0) for (const draw of draws) await inTurns(draw.draw(), signal)
      this.#noteOffenders(piece, inspection)
      const { block } = piece
      const positions = this.#leavesOut ? usableRows(inspection.marks) : null
      for (const draw of draws) await inTurns(draw.offer(block, positions, positions?.length ?? block.rows), signal)
      this.#entities?.offer(block, positions)
      this.profile = this.rows === 0 ? inspection.profile : mergeProfiles(this.profile, inspection.profile)
      this.rows += block.rows
      this.#unusable += inspection.count
      progress?.advance(block.rows)
      piece.release()
    }
    return this
  }

  #noteOffenders({ block, first }: FeatureBlock, { firsts }: Inspection): void {
    const { row } = placesOf(this.#features.length, this.#query.extra ?? {})
    firsts.forEach((positions, feature) => {
      const offenders = this.#offenders[feature]!
      for (const position of positions.slice(0, 3 - offenders.length))
        offenders.push(row === null ? first + position : block.values[row * block.stride + position]!)
    })
  }

  /** Throws `too_many_missing`. */
  requireUsable(): void {
    if (this.#draw.plan.missing !== 'reject' || this.#unusable <= maxRejected * this.rows) return
    const columns = this.#features
      .map((feature, index) => ({
        column: featureName(feature),
        rows: this.profile.missing[index]! + this.profile.infinite[index]!,
        firstRows: this.#offenders[index]!,
      }))
      .filter(({ rows }) => rows > 0)
      .sort((a, b) => b.rows - a.rows)
      .slice(0, 100)
    const worst = columns[0]!
    throw new DeepWatchError(
      'too_many_missing',
      `${this.#unusable} of ${this.rows} rows have missing or non-finite values, most of them in ${quote(worst.column)} (${worst.rows} rows, the first at ${worst.firstRows.join(', ')}); the rule reject allows 5 %. Set missing to median, which fills them, or to skip, which leaves these rows out.`,
      { facts: { rows: this.rows, affectedRows: this.#unusable, columns } },
    )
  }

  /** Null when too few of the drawn rows could be used. */
  finish(warnings: readonly Warning[]): Drawn | null {
    const samples = this.#samples.finish()
    const profiles = this.#profileSample.finish()
    if (!samples || !profiles) return null
    const { plan, derived, history } = this.#draw
    const profileSample = sampleOf(profiles, 0)
    const rowsLeftOut = this.#leavesOut ? this.#unusable : 0
    const fill = this.#leavesOut ? null : this.#medians(profileSample)
    if (fill && this.#unusable > 0) for (let k = 0; k < samples.count; k++) fillSample(sampleOf(samples, k), fill)
    const message = `${rowsLeftOut} of ${this.rows} rows have missing or non-finite values and were left out.`
    return {
      features: this.#features,
      columns: this.#columns,
      derived,
      measured: derived.length > 0 ? this.#columns.length : undefined,
      query: {
        ...this.#query,
        history,
        extra: { ...plan.beside, ...(plan.window && { row: true }), ...(history && { history: true }) },
        entities: undefined,
      },
      rowsWithoutHistory: history ? plan.span.rowsInWindow - this.rows : 0,
      profile: this.profile,
      profileSample,
      samples,
      entities: this.#entities?.finish(fill) ?? null,
      fill,
      rowsUsed: this.rows - rowsLeftOut,
      rowsLeftOut,
      rowsFilled: this.#leavesOut ? 0 : this.#unusable,
      warnings: [...warnings, ...(rowsLeftOut > 0 ? [{ code: 'rows_left_out', message }] : [])],
    }
  }

  #medians(sample: Sample): Float64Array {
    return Float64Array.from(this.#features, (feature, index) => {
      const median = quantiles(sample, index, [0.5])[0]!
      if (!Number.isNaN(median)) return median
      const name = featureName(feature)
      throw new DeepWatchError('too_many_missing', `${quote(name)} has no finite value to take a median of.`, {
        facts: { columns: [name] },
      })
    })
  }
}

/** What a pass reads. Without histories it is what the scoring pass reads too, so that remembered blocks serve both. */
function passQuery({ plan, history }: Draw, features: readonly FeatureColumn[]): FeatureQuery {
  const { timestamp, entity } = plan.columns.roles
  return {
    features,
    timestamp: timestamp ?? undefined,
    transitions: plan.time.transitions ?? undefined,
    window: plan.window,
    // Rows without history would count as missing, and they are not.
    history: history && { ...history, completeOnly: true },
    extra: {
      ...(plan.entities && { entity: true }),
      // Only then does a row's place in the source differ from its place in the stream.
      ...((plan.window || history) && { row: true }),
      ...(history === undefined && plan.beside),
    },
    entity: entity ?? undefined,
    entities: plan.entities?.candidates.map(({ name }) => name),
  }
}

function requireRoom(bytes: number, limit: number): void {
  if (bytes <= limit) return
  throw new DeepWatchError(
    'training_too_large',
    `Training would take ${Math.ceil(bytes / 2 ** 20)} MiB; the limit is ${Math.floor(limit / 2 ** 20)} MiB. Fewer trees, a smaller sampleSize or fewer features need less.`,
    { facts: { bytes, limit } },
  )
}

/** Runs through long work; whenever it pauses, others have a turn on the event loop. */
async function inTurns(work: Generator<void>, signal: AbortSignal): Promise<void> {
  for (const _ of work) {
    await nextTurn()
    signal.throwIfAborted()
  }
}

/** The name a feature has in documents and messages. */
export function featureName(feature: FeatureColumn): string {
  return 'timeContext' in feature ? feature.timeContext : feature.name
}

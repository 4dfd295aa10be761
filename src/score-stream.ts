/**
 * The stream that scoring and evaluating share: a version pinned, a source opened, the model's features found
 * in it, block after block through the threads.
 */
import { historyQuery, isDerived } from './derived.ts'
import { entityModelsOf } from './entity-models.ts'
import { DeepWatchError } from './errors.ts'
import { inOrder } from './flow.ts'
import { historyMarks, markHistory } from './history-marks.ts'
import { readRows } from './json-rows.ts'
import type { Block } from './kernels/block.ts'
import type { Guards } from './kernels/guards.ts'
import { rowMarks } from './kernels/profile.ts'
import { placesOf } from './lanes.ts'
import { type ScoredCounts, ScoreTally } from './metrics.ts'
import type { Opened, OpenTelemetry, OpenTelemetryOptions } from './opening.ts'
import type { BlockScores, Pool, ScoringModel } from './pool.ts'
import type { ColumnType, Description, ExtraLanes, FeatureBlock, FeatureQuery } from './reader-types.ts'
import type { ModelHandle, Registry } from './registry.ts'
import type { VersionDocument } from './schemas/model.ts'
import {
  type RowReason,
  type ScoreSettings,
  type ScoreSummary,
  type UnscoredReason,
  unscoredReasons,
} from './schemas/score.ts'
import { changesScores, smoothInOrder, smoothInTurn, smoothingLanes, smoothLive, smoothSource } from './smoothing.ts'
import type { Source } from './sources.ts'
import { planScoring, quote, readWindow } from './telemetry.ts'
import { guardsOf, reasonsOf } from './telemetry-guards.ts'
import type { Windows } from './windows.ts'
import type { Work } from './work.ts'

export interface ScoreStreamParts {
  readonly open: OpenTelemetry
  readonly pool: Pool
  readonly registry: Registry<VersionDocument>
  /** Bytes that the windows of all entities of a source may take. */
  readonly historyBytes: number
  /** Blocks under way at once. */
  readonly ahead: number
}

/** What is scored, with what. */
export type ScoreTarget = Omit<ScoreSettings, 'return' | 'include'>

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
  reasons(row: number): RowReason[]
  /** Features of a row that had no usable value: filled with the median, or the reason why it has no score. */
  lacking(row: number): string[]
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

/** A model and a source that fit each other. */
export interface Prepared {
  readonly handle: ModelHandle<VersionDocument>
  readonly opened: Opened
  readonly description: Description
  /** The windows the rows go on from, and are gone on from by later ones; null for a source that is whole in itself. */
  readonly live: Windows | null
  /** Reads the model's features; the caller adds lanes and columns. */
  readonly query: FeatureQuery
}

/**
 * Pins the version, opens the source and finds the features. The caller closes `opened`.
 * With `windows`, rows that came as JSON go on from earlier ones.
 * Errors: those of `Registry.resolve`, of opening a source and of `planScoring`, and `missing_timestamp`.
 */
export async function prepareScoring(
  parts: ScoreStreamParts,
  target: ScoreTarget,
  upload: Source | null,
  { windows, ...options }: OpenTelemetryOptions & { readonly windows?: Windows | undefined },
): Promise<Prepared> {
  // The handle pins the version: it answers to the end, whatever is trained or deleted meanwhile.
  const handle = await parts.registry.resolve(target.model)
  const types = columnTypes(handle.document, target)
  const opened = await parts.open(
    { rows: target.rows, source: target.source, upload },
    { ...options, types, expect: expectedColumns(handle.document, target) },
  )
  try {
    const description = await opened.telemetry.describe()
    const found = planScoring(description, handle.document, target)
    const window = readWindow(target.window)
    if (window && found.timestamp === null) {
      throw new DeepWatchError('missing_timestamp', 'window: the source has no timestamp column.')
    }
    const { document } = handle
    const { roles } = document
    const entity = presentColumn(description, target.entity ?? roles.entity)
    const entities = entityModelsOf(handle)
    const query: FeatureQuery = {
      features: found.lanes,
      timestamp: found.timestamp ?? undefined,
      transitions: handle.document.timeContext.transitions ?? undefined,
      window,
      history: historyQuery(handle.document.features.filter(isDerived), entity, parts.historyBytes),
      entity: entity ?? undefined,
      entities: entities?.names,
      lanes: {
        ...(entities && { entity: true }),
        // Without a row there is no time that could be missing.
        ...(description.columns.length > 0 && smoothingLanes(document, found.timestamp, entity)),
      },
    }
    const { history } = query
    if (!target.rows || !windows || (!history && !changesScores(document)))
      return { handle, opened, description, live: null, query }
    const plan = { columns: history?.columns.length ?? 0, derivations: history?.derivations ?? [] }
    const telemetry = readRows(target.rows, undefined, windows.histories(handle, plan))
    return { handle, opened: { ...opened, telemetry }, description, live: windows, query }
  } catch (error) {
    await opened.close()
    throw error
  }
}

function presentColumn({ columns }: Description, name: string | null): string | null {
  return name !== null && columns.some((column) => column.name === name) ? name : null
}

/** Refuses names that the source does not have: `unknown_column`. */
export function requireColumns(description: Description, names: readonly string[], setting: string): void {
  const known = new Set(description.columns.map((column) => column.name))
  for (const name of names) {
    if (known.has(name)) continue
    throw new DeepWatchError('unknown_column', `${setting}: the source has no column ${quote(name)}.`, {
      facts: { column: name },
    })
  }
}

/** Columns that NDJSON has to be searched for although they may be absent: roles, and what is echoed. */
function expectedColumns(
  { roles }: VersionDocument,
  target: ScoreTarget & { readonly include?: readonly string[] | undefined },
): string[] {
  const named = [target.label ?? roles.label, target.entity ?? roles.entity, ...(target.include ?? [])]
  return named.filter((name) => name !== null)
}

/** What text formats must read the model's columns as, instead of guessing. */
function columnTypes({ features, roles }: VersionDocument, target: ScoreTarget): ColumnType[] {
  const kinds = new Map<string, ColumnType['kind']>()
  for (const feature of features) {
    if (feature.kind === 'derived') kinds.set(feature.column, feature.columnKind)
    else if (feature.kind !== 'timeContext') kinds.set(feature.name, feature.kind)
  }
  const types = Array.from(kinds, ([name, kind]): ColumnType => ({ name, kind }))
  const timestamp = target.timestamp ?? roles.timestamp
  if (timestamp !== null) types.push({ name: timestamp, kind: 'timestamp' })
  return types
}

/** Why a row with this mark has no score. */
const reasonOf: readonly (UnscoredReason | null)[] = Object.assign([null, null, null, null, null, null], {
  [rowMarks.missing]: 'missing_value',
  [rowMarks.nonFinite]: 'non_finite_value',
  [historyMarks.insufficient]: 'insufficient_history',
  [historyMarks.late]: 'out_of_order',
})

/** Scores every row once, in source order. What comes last are the counts for the answer and for the metrics. */
export async function* scoreStream(
  parts: ScoreStreamParts,
  { handle, opened, description, live, query: asked }: Prepared,
  { signal, progress }: Work,
): AsyncGenerator<ScoredBlock, { summary: ScoreSummary; counts: ScoredCounts }> {
  const started = performance.now()
  const { document } = handle
  const threshold = document.threshold.value
  const names = document.features.map((feature) => feature.name)
  const guards = guardsOf(document)
  const entities = entityModelsOf(handle)
  const model: ScoringModel = {
    guards,
    key: handle.digest,
    detector: document.detector.type,
    payload: handle.payload,
    features: document.features.length,
    entities: entities?.names.length,
    fill: document.missing.fill ? Float64Array.from(document.missing.fill) : null,
  }
  const query = { ...asked, lanes: { ...asked.lanes, history: asked.history !== undefined } }
  const places = placesOf(names.length, query.lanes)
  const guardsAt = ({ values, stride }: Block) =>
    entities && guards && places.entity !== null
      ? (row: number) => entities.guardsOf(values[places.entity! * stride + row]!, guards)
      : () => guards
  const tally = new ScoreTally()
  const rejected = Object.fromEntries(unscoredReasons.map((reason) => [reason, 0])) as Record<UnscoredReason, number>
  let rows = 0
  let anomalies = 0
  let kernelSeconds = 0
  let accepted = false
  progress?.begin('scoring', query.window ? null : description.rows)
  // Rows that are refused must not have entered the windows: they will come again.
  if (live && parts.pool.saturated)
    throw new DeepWatchError('overloaded', 'All threads are busy and the queue is full.')
  const scored = inOrder(opened.telemetry.features(query), parts.ahead, async (piece) => {
    // Only the first block may find the queue full: later ones, and rows that are in the windows, belong to accepted work.
    const patient = accepted || live !== null
    accepted = true
    const result = await parts.pool.score(model, piece.block, { signal, patient })
    if (places.history !== null) markHistory(piece, places.history, result)
    return { piece, result }
  })
  const smoothed = !changesScores(document)
    ? scored
    : live
      ? smoothInTurn(scored, smoothLive(document, threshold, places, live, handle), live.turn(handle, 'scores'))
      : smoothInOrder(scored, smoothSource(document, threshold, places, parts.historyBytes))
  for await (const { piece, result } of smoothed) {
    const count = piece.block.rows
    for (let row = 0; row < count; row++) {
      if (result.scores[row]! > threshold) anomalies++
      const reason = reasonOf[result.flags[row]!]
      if (reason) rejected[reason]++
    }
    tally.add(result.scores, count)
    rows += count
    kernelSeconds += result.seconds
    progress?.advance(count)
    try {
      yield scoredBlock(document, query.lanes, piece, result, guardsAt(piece.block))
    } finally {
      piece.release()
    }
  }
  const unscored = Object.values(rejected).reduce((sum, count) => sum + count, 0)
  const totalSeconds = (performance.now() - started) / 1000
  const summary = { model: handle.name, version: handle.version, threshold, rows, anomalies, unscored }
  return { summary, counts: { scored: rows - unscored, anomalies, rejected, tally, kernelSeconds, totalSeconds } }
}

function scoredBlock(
  { features }: VersionDocument,
  lanes: ExtraLanes,
  piece: FeatureBlock,
  { scores, flags }: BlockScores,
  guardsAt: (row: number) => Guards | null,
): ScoredBlock {
  const { block } = piece
  const names = features.map((feature) => feature.name)
  return {
    ...rowFacts(names.length, lanes, piece),
    scores,
    reason: (row) => reasonOf[flags[row]!] ?? null,
    reasons: (row) => reasonsOf(guardsAt(row), names, block, row),
    lacking(row) {
      const mark = flags[row]!
      if (mark === rowMarks.usable) return []
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

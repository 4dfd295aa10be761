/**
 * The stream that scoring and evaluating share: a version pinned, a source opened, the model's features found
 * in it, block after block through the threads.
 */
import { DeepWatchError } from './errors.ts'
import { inOrder } from './flow.ts'
import type { Guards } from './kernels/guards.ts'
import { rowMarks } from './kernels/profile.ts'
import { type ScoredCounts, ScoreTally } from './metrics.ts'
import type { Opened, OpenTelemetry, OpenTelemetryOptions } from './opening.ts'
import type { BlockScores, Pool, ScoringModel } from './pool.ts'
import type { ColumnType, Description, ExtraLanes, FeatureBlock, FeatureQuery } from './reader-types.ts'
import type { ModelHandle, Registry } from './registry.ts'
import type { VersionDocument } from './schemas/model.ts'
import type { RowReason, ScoreSettings, ScoreSummary, UnscoredReason } from './schemas/score.ts'
import type { Source } from './sources.ts'
import { planScoring, quote, readWindow } from './telemetry.ts'
import { guardsOf, reasonsOf } from './telemetry-guards.ts'
import type { Work } from './work.ts'

export interface ScoreStreamParts {
  readonly open: OpenTelemetry
  readonly pool: Pool
  readonly registry: Registry<VersionDocument>
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
}

/** A model and a source that fit each other. */
export interface Prepared {
  readonly handle: ModelHandle<VersionDocument>
  readonly opened: Opened
  readonly description: Description
  /** Reads the model's features; the caller adds lanes and columns. */
  readonly query: FeatureQuery
}

/**
 * Pins the version, opens the source and finds the features. The caller closes `opened`.
 * Errors: those of `Registry.resolve`, of opening a source and of `planScoring`, and `missing_timestamp`.
 */
export async function prepareScoring(
  parts: ScoreStreamParts,
  target: ScoreTarget,
  upload: Source | null,
  options: OpenTelemetryOptions,
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
    const plan = planScoring(description, handle.document, target)
    const window = readWindow(target.window)
    if (window && plan.timestamp === null) {
      throw new DeepWatchError('missing_timestamp', 'window: the source has no timestamp column.')
    }
    const query: FeatureQuery = {
      features: plan.lanes,
      timestamp: plan.timestamp ?? undefined,
      transitions: handle.document.timeContext.transitions ?? undefined,
      window,
    }
    return { handle, opened, description, query }
  } catch (error) {
    await opened.close()
    throw error
  }
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
export function expectedColumns(
  { roles }: VersionDocument,
  target: ScoreTarget & { readonly include?: readonly string[] | undefined },
): string[] {
  const named = [target.label ?? roles.label, target.entity ?? roles.entity, ...(target.include ?? [])]
  return named.filter((name) => name !== null)
}

/** What text formats must read the model's columns as, instead of guessing. */
export function columnTypes({ features, roles }: VersionDocument, target: ScoreTarget): ColumnType[] {
  const types: ColumnType[] = []
  for (const feature of features) {
    if (feature.kind !== 'timeContext') types.push({ name: feature.name, kind: feature.kind })
  }
  const timestamp = target.timestamp ?? roles.timestamp
  if (timestamp !== null) types.push({ name: timestamp, kind: 'timestamp' })
  return types
}

/** Scores every row once, in source order. What comes last are the counts for the answer and for the metrics. */
export async function* scoreStream(
  parts: ScoreStreamParts,
  { handle, opened, description, query }: Prepared,
  { signal, progress }: Work,
): AsyncGenerator<ScoredBlock, { summary: ScoreSummary; counts: ScoredCounts }> {
  const started = performance.now()
  const { document } = handle
  const threshold = document.threshold.value
  const names = document.features.map((feature) => feature.name)
  const guards = guardsOf(document)
  const model: ScoringModel = {
    guards,
    key: handle.digest,
    detector: document.detector.type,
    payload: handle.payload,
    features: document.features.length,
    fill: document.missing.fill ? Float64Array.from(document.missing.fill) : null,
  }
  const tally = new ScoreTally()
  const rejected: Record<UnscoredReason, number> = { missing_value: 0, non_finite_value: 0 }
  let rows = 0
  let anomalies = 0
  let kernelSeconds = 0
  let accepted = false
  progress?.begin('scoring', query.window ? null : description.rows)
  const scored = inOrder(opened.telemetry.features(query), parts.ahead, async (piece) => {
    // Only the first block may find the queue full: later ones belong to work that was accepted.
    const patient = accepted
    accepted = true
    return { piece, result: await parts.pool.score(model, piece.block, { signal, patient }) }
  })
  for await (const { piece, result } of scored) {
    const count = piece.block.rows
    for (let row = 0; row < count; row++) {
      if (result.scores[row]! > threshold) anomalies++
      const mark = result.flags[row]!
      if (mark === rowMarks.missing) rejected.missing_value++
      else if (mark === rowMarks.nonFinite) rejected.non_finite_value++
    }
    tally.add(result.scores, count)
    rows += count
    kernelSeconds += result.seconds
    progress?.advance(count)
    try {
      yield scoredBlock(names, query.lanes ?? {}, piece, result, guards)
    } finally {
      piece.release()
    }
  }
  const unscored = rejected.missing_value + rejected.non_finite_value
  const totalSeconds = (performance.now() - started) / 1000
  const summary = { model: handle.name, version: handle.version, threshold, rows, anomalies, unscored }
  return { summary, counts: { scored: rows - unscored, anomalies, rejected, tally, kernelSeconds, totalSeconds } }
}

function scoredBlock(
  names: readonly string[],
  lanes: ExtraLanes,
  piece: FeatureBlock,
  { scores, flags }: BlockScores,
  guards: Guards | null,
): ScoredBlock {
  const { block } = piece
  return {
    ...rowFacts(names.length, lanes, piece),
    scores,
    reason(row) {
      const mark = flags[row]
      return mark === rowMarks.missing ? 'missing_value' : mark === rowMarks.nonFinite ? 'non_finite_value' : null
    },
    reasons: (row) => reasonsOf(guards, names, block, row),
    lacking: (row) =>
      flags[row] === 0 ? [] : names.filter((_, lane) => !Number.isFinite(block.values[lane * block.stride + row])),
  }
}

/** What is told about rows beside their features. */
export type RowFacts = Pick<ScoredBlock, 'rows' | 'position' | 'label' | 'time' | 'text'>

/** Reads what stands behind the `features` first lanes of a block. */
export function rowFacts(features: number, lanes: ExtraLanes, { block, first, text }: FeatureBlock): RowFacts {
  // The lanes after the features come in this order, those that were asked for.
  let next = features
  const [rowLane, timeLane, labelLane] = [lanes.row, lanes.timestamp, lanes.label !== undefined].map((asked) =>
    asked ? block.stride * next++ : null,
  ) as [number | null, number | null, number | null]
  const at = (lane: number | null, row: number) => (lane === null ? Number.NaN : block.values[lane + row]!)
  return {
    rows: block.rows,
    position: (row) => (rowLane === null ? first + row : block.values[rowLane + row]!),
    label: (row) => at(labelLane, row),
    time: (row) => at(timeLane, row),
    text: (row) => text?.[row] ?? null,
  }
}

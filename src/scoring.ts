/**
 * Scoring, the one way for every door: find the model's features in the source, stream blocks through the
 * threads, compare with the version's own threshold, count. The door formats what comes out.
 */
import { DeepWatchError } from './errors.ts'
import { inOrder } from './flow.ts'
import { rowMarks } from './kernels/profile.ts'
import { type ScoredCounts, ScoreTally } from './metrics.ts'
import type { Opened, OpenTelemetry } from './opening.ts'
import type { BlockScores, Pool, ScoringModel } from './pool.ts'
import type { ColumnType, FeatureBlock, FeatureQuery, ScoredQuery } from './reader-types.ts'
import type { ModelHandle, Registry } from './registry.ts'
import type { VersionDocument } from './schemas/model.ts'
import type { ScoreSettings, ScoreSummary, UnscoredReason } from './schemas/score.ts'
import type { Scratch } from './scratch.ts'
import type { Source } from './sources.ts'
import { planScoring, readWindow } from './telemetry.ts'

export interface ScoringParts {
  readonly open: OpenTelemetry
  readonly pool: Pool
  readonly registry: Registry<VersionDocument>
  /** Blocks under way at once. */
  readonly ahead: number
  /** Where score files and finished Parquet files lie until they are sent. */
  readonly scratch: () => Promise<Scratch>
  readonly onScored: (model: string, version: number, counts: ScoredCounts) => void
}

/** A stretch of scored rows. Everything in it is valid until the next one is asked for. */
export interface ScoredBlock {
  readonly rows: number
  /** One per row; NaN where the row has no score. */
  readonly scores: Float64Array
  /** Position of a row of the block in the source. */
  position(row: number): number
  /** Why a row has no score, or null. */
  reason(row: number): UnscoredReason | null
  /** Features of a row that had no usable value: filled with the median, or the reason why it has no score. */
  lacking(row: number): string[]
  /** The columns asked for with `include`, as members of a JSON object; null when none were. */
  text(row: number): string | null
}

/** A scoring under way: the version it uses, and its results, once. */
export interface ScoringRun {
  readonly model: string
  readonly version: number
  readonly threshold: number
  /** The rows in source order. Counts into the metrics when it was read to its end. */
  blocks(): AsyncGenerator<ScoredBlock, ScoreSummary>
  /** Scores everything, then writes the source's columns with score and flag; the file is gone after `close`. */
  toParquet(anomaliesOnly: boolean): Promise<{ path: string; bytes: number; summary: ScoreSummary }>
  /** The same table as a stream of Arrow IPC bytes. */
  toArrow(anomaliesOnly: boolean): Promise<AsyncIterable<Uint8Array>>
  /** Ends reading processes and removes files. Idempotent, never throws. */
  close(): Promise<void>
}

export interface Scoring {
  /**
   * Opens a model and a source. `output` says whether a file or an Arrow stream will be made, which rows
   * held in memory have to be spooled for.
   *
   * Errors: `model_not_found`, `version_not_found`, `model_corrupt`, those of opening a source, and of
   * `planScoring`, `missing_timestamp`, `unknown_column`.
   */
  score(
    settings: ScoreSettings,
    upload: Source | null,
    output: 'rows' | 'table',
    signal: AbortSignal,
  ): Promise<ScoringRun>
}

export function createScoring(parts: ScoringParts): Scoring {
  return {
    async score(settings, upload, output, signal) {
      // The handle pins the version: it answers to the end, whatever is trained or deleted meanwhile.
      const handle = await parts.registry.resolve(settings.model)
      const scratch = output === 'table' ? await parts.scratch() : null
      try {
        const types = columnTypes(handle.document, settings)
        const opened = await parts.open(
          { rows: settings.rows, source: settings.source, upload },
          { signal, types, outputPath: scratch?.outputPath, needsSession: output === 'table' },
        )
        try {
          return await prepare(parts, handle, settings, opened, scratch, signal)
        } catch (error) {
          await opened.close()
          throw error
        }
      } catch (error) {
        await scratch?.dispose()
        throw error
      }
    },
  }
}

/** What text formats must read the model's columns as, instead of guessing. */
function columnTypes({ features, roles }: VersionDocument, settings: ScoreSettings): ColumnType[] {
  const types: ColumnType[] = []
  for (const feature of features)
    if (feature.kind !== 'timeContext') types.push({ name: feature.name, kind: feature.kind })
  const timestamp = settings.timestamp ?? roles.timestamp
  if (timestamp !== null) types.push({ name: timestamp, kind: 'timestamp' })
  return types
}

async function prepare(
  parts: ScoringParts,
  handle: ModelHandle<VersionDocument>,
  settings: ScoreSettings,
  opened: Opened,
  scratch: Scratch | null,
  signal: AbortSignal,
): Promise<ScoringRun> {
  const { document } = handle
  const description = await opened.telemetry.describe()
  const plan = planScoring(description, document, settings)
  const window = readWindow(settings.window)
  if (window && plan.timestamp === null)
    throw new DeepWatchError('missing_timestamp', 'window: the source has no timestamp column.')
  for (const name of settings.include ?? []) {
    if (!description.columns.some((column) => column.name === name))
      throw new DeepWatchError(
        'unknown_column',
        `include: the source has no column ${JSON.stringify(name.slice(0, 100))}.`,
        { facts: { column: name } },
      )
  }
  const query: FeatureQuery = {
    features: plan.lanes,
    timestamp: plan.timestamp ?? undefined,
    transitions: document.timeContext.transitions ?? undefined,
    window,
    lanes: window ? { row: true } : undefined,
    include: settings.include,
  }
  const model: ScoringModel = {
    key: handle.digest,
    detector: document.detector.type,
    payload: handle.payload,
    features: document.features.length,
    fill: document.missing.fill ? Float64Array.from(document.missing.fill) : null,
  }
  const names = document.features.map((feature) => feature.name)
  const threshold = document.threshold.value
  const tableQuery = (anomaliesOnly: boolean): ScoredQuery => ({
    scoresPath: scratch!.scoresPath,
    threshold,
    timestamp: query.timestamp,
    window,
    anomaliesOnly,
  })

  const blocks = () => scoreBlocks({ parts, handle, opened, query, model, names, signal })
  let closed: Promise<void> | undefined
  return {
    model: handle.name,
    version: handle.version,
    threshold,
    blocks,
    async toParquet(anomaliesOnly) {
      const summary = await spoolScores(blocks(), scratch!)
      const { bytes } = await opened.session!.writeScored(tableQuery(anomaliesOnly))
      return { path: scratch!.outputPath, bytes, summary }
    },
    async toArrow(anomaliesOnly) {
      await spoolScores(blocks(), scratch!)
      return opened.session!.arrowScored(tableQuery(anomaliesOnly))
    },
    close() {
      closed ??= opened.close().then(() => scratch?.dispose())
      return closed
    },
  }
}

interface Pass {
  readonly parts: ScoringParts
  readonly handle: ModelHandle<VersionDocument>
  readonly opened: Opened
  readonly query: FeatureQuery
  readonly model: ScoringModel
  readonly names: readonly string[]
  readonly signal: AbortSignal
}

async function* scoreBlocks(pass: Pass): AsyncGenerator<ScoredBlock, ScoreSummary> {
  const { parts, handle, opened, query, model, signal } = pass
  const started = performance.now()
  const threshold = handle.document.threshold.value
  const tally = new ScoreTally()
  const rejected: Record<UnscoredReason, number> = { missing_value: 0, non_finite_value: 0 }
  let rows = 0
  let anomalies = 0
  let kernelSeconds = 0
  let accepted = false
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
    try {
      yield scoredBlock(pass, piece, result)
    } finally {
      piece.release()
    }
  }
  const unscored = rejected.missing_value + rejected.non_finite_value
  const totalSeconds = (performance.now() - started) / 1000
  parts.onScored(handle.name, handle.version, {
    scored: rows - unscored,
    anomalies,
    rejected,
    tally,
    kernelSeconds,
    totalSeconds,
  })
  return { model: handle.name, version: handle.version, threshold, rows, anomalies, unscored }
}

function scoredBlock(
  { names, query }: Pass,
  { block, first, text }: FeatureBlock,
  { scores, flags }: BlockScores,
): ScoredBlock {
  const rowLane = query.lanes?.row ? names.length * block.stride : null
  return {
    rows: block.rows,
    scores,
    position: (row) => (rowLane === null ? first + row : block.values[rowLane + row]!),
    reason(row) {
      const mark = flags[row]
      return mark === rowMarks.missing ? 'missing_value' : mark === rowMarks.nonFinite ? 'non_finite_value' : null
    },
    lacking: (row) =>
      flags[row] === 0 ? [] : names.filter((_, lane) => !Number.isFinite(block.values[lane * block.stride + row])),
    text: (row) => text?.[row] ?? null,
  }
}

async function spoolScores(blocks: AsyncGenerator<ScoredBlock, ScoreSummary>, scratch: Scratch): Promise<ScoreSummary> {
  const file = await scratch.openScores()
  try {
    for (;;) {
      const step = await blocks.next()
      if (step.done) return step.value
      const { scores, rows } = step.value
      await file.write(new Uint8Array(scores.buffer, scores.byteOffset, rows * 8))
    }
  } finally {
    await file.close()
  }
}

/** Scoring, the one way for every door: rows in source order, compared with the threshold of the version, counted. */
import { aggregateSource } from '../aggregate/index.ts'
import type { Windows } from '../history/index.ts'
import type { Block } from '../kernels/index.ts'
import type { ScoredCounts } from '../observe/index.ts'
import type { ScoredQuery } from '../reader/index.ts'
import type { ModelHandle } from '../registry/index.ts'
import type {
  Evaluation,
  ReportAggregate,
  Roles,
  ScoreSettings,
  ScoreSummary,
  VersionDocument,
} from '../schemas/index.ts'
import type { Scratch, Source } from '../sources/index.ts'
import type { Opened, SourceFacts } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import type { ScoringEnd } from './account.ts'
import { type Counted, evaluateSpooled, type HeldRows } from './evaluation.ts'
import type { ScoredBlock } from './scored-block.ts'
import { type ScoredBatch, scoreSmallBatch, smallBatchOf } from './small-batch.ts'
import {
  type Prepared,
  prepareScoring,
  presentColumn,
  requireColumns,
  type ScoreStreamParts,
  scoreStream,
} from './stream.ts'

export interface ScoringParts extends ScoreStreamParts {
  /** The last windows of entities whose rows come as JSON. */
  readonly windows: Windows
  /** Where score files and finished Parquet files lie until they are sent. */
  readonly scratch: () => Promise<Scratch>
  readonly onScored: (model: string, version: number, counts: ScoredCounts) => void
}

/** The scores of all rows of a training in source order, and their counts: its telemetry need not be scored again. */
export interface TrainingScoresKept {
  readonly opened: Opened
  readonly scratch: Scratch
  /** Null when they could not be counted. Rejects with the signal's reason alone. */
  readonly aggregate: Promise<ReportAggregate | null>
  /** The labelled rows, in source order; null when they were not held. */
  heldRows(): Iterable<HeldRows> | null
  /** Whoever got all of this ends it. Idempotent, never throws. */
  close(): Promise<void>
}

/** A scoring under way: the version it uses, and what may be told about its source. */
export interface ScoringRun {
  readonly model: string
  readonly version: number
  readonly threshold: number
  readonly document: VersionDocument
  readonly source: SourceFacts
  /** Roles whose columns the source has. */
  readonly roles: Roles
  /** Ends reading processes and removes files. Idempotent, never throws. */
  close(): Promise<void>
}

/** A scoring whose rows are told one after another. */
export interface RowRun extends ScoringRun {
  /** The rows in source order, once. Counts into the metrics when it was read to its end. */
  blocks(): AsyncGenerator<ScoredBlock, ScoreSummary>
  /** The same in one piece for a small batch in memory; null for all others. Called instead of `blocks`; there is nothing to close then. */
  smallBatch(): Promise<ScoredBatch> | null
}

/** Its scores are in a file until it closes: the first method called scores everything. Any order, one after another, as often as needed. */
export type TableRun = ReturnType<typeof spooledRun>

interface TableOptions {
  /** A report looks at what it is given and leaves no trace: it neither counts into the metrics nor moves windows on. */
  readonly isReport?: boolean
  /** The scores of the telemetry of the training, when that is the source: nothing is computed or opened again. They stay the caller's. */
  readonly known?: TrainingScoresKept | null
}

export type Scoring = ReturnType<typeof createScoring>

/**
 * What opens a model and a source.
 *
 * Errors of both methods: `model_not_found`, `version_not_found`, `model_corrupt`, those of opening a source, and of
 * `planScoring`, `missing_timestamp`, `unknown_column`.
 */
export function createScoring(parts: ScoringParts) {
  return {
    async scoreRows(settings: ScoreSettings, upload: Source | null, work: Work): Promise<RowRun> {
      // The handle pins the version: it answers to the end, whatever is trained or deleted meanwhile.
      const handle = await parts.registry.resolve(settings.model)
      const batch = smallBatchOf(handle, settings)
      if (batch) return new SmallBatchRun(parts, handle, batch, work)
      const options = { signal: work.signal, windows: parts.windows }
      const prepared = await prepareScoring(parts, handle, settings, upload, options)
      return streamedRun(parts, await withRowFacts(prepared, settings.include), settings, work)
    },

    /** Every column of the source is in the table: `include` is of no use here. */
    async scoreTable(
      settings: Omit<ScoreSettings, 'include'>,
      upload: Source | null,
      work: Work,
      { isReport = false, known = null }: TableOptions = {},
    ): Promise<TableRun> {
      const handle = await parts.registry.resolve(settings.model)
      const scratch = known?.scratch ?? (await parts.scratch())
      try {
        const windows = isReport ? undefined : parts.windows
        const options = { signal: work.signal, outputPath: scratch.outputPath, needsSession: true, windows }
        const opening = known?.opened.session ? { ...parts, open: reopen(known.opened) } : parts
        const prepared = await prepareScoring(opening, handle, settings, upload, options)
        return spooledRun(parts, prepared, settings, { scratch, known, isCounted: !isReport }, work)
      } catch (error) {
        if (!known) await scratch.dispose()
        throw error
      }
    },
  }
}

/** Opens what is open already; it stays open when the run closes. */
const reopen = (opened: Opened) => async (): Promise<Opened> => ({ ...opened, close: async () => {} })

const factsOfRows: SourceFacts = { kind: 'rows', format: 'json', files: [], bytes: null, sha256: null }

/** A small batch in memory. A class, as a request of one row pays for every closure. */
class SmallBatchRun implements RowRun {
  readonly model: string
  readonly version: number
  readonly threshold: number
  readonly document: VersionDocument
  readonly roles: Roles
  readonly source = factsOfRows
  readonly #parts: ScoringParts
  readonly #handle: ModelHandle<VersionDocument>
  readonly #rows: Block<ArrayBuffer>
  readonly #work: Work

  constructor(parts: ScoringParts, handle: ModelHandle<VersionDocument>, rows: Block<ArrayBuffer>, work: Work) {
    const { name, version, document } = handle
    this.model = name
    this.version = version
    this.threshold = document.threshold.value
    this.document = document
    this.roles = document.roles
    this.#parts = parts
    this.#handle = handle
    this.#rows = rows
    this.#work = work
  }

  smallBatch(): Promise<ScoredBatch> {
    return scoreSmallBatch(this.#parts, this.#handle, this.#rows, this.#work)
  }

  async *blocks(): AsyncGenerator<ScoredBlock, ScoreSummary> {
    const { block, summary } = await this.smallBatch()
    yield block
    return summary
  }

  async close(): Promise<void> {}
}

/** Has the columns of `include` and, where it is not the place in the stream, each row's place in the source told too. */
async function withRowFacts(prepared: Prepared, include: ScoreSettings['include']): Promise<Prepared> {
  const { query, description, opened } = prepared
  try {
    requireColumns(description, include ?? [], 'include')
  } catch (error) {
    await opened.close()
    throw error
  }
  // Only a window makes a row's place in the source differ from its place in the stream.
  return { ...prepared, query: { ...query, extra: { ...query.extra, ...(query.window && { row: true }) }, include } }
}

function streamedRun(parts: ScoringParts, prepared: Prepared, settings: ScoreSettings, work: Work): RowRun {
  return {
    ...identityOf(prepared, settings),
    smallBatch: () => null,
    async *blocks() {
      const { summary, counts } = yield* scoreStream(parts, prepared, work)
      parts.onScored(summary.model, summary.version, counts)
      return summary
    },
    close: once(prepared.opened.close),
  }
}

function identityOf(
  { handle: { name, version, document }, opened, query, description }: Prepared,
  { entity, label }: Pick<ScoreSettings, 'entity' | 'label'>,
): Omit<ScoringRun, 'close'> {
  const roles = {
    timestamp: query.timestamp ?? null,
    entity: presentColumn(description, entity ?? document.roles.entity),
    label: presentColumn(description, label ?? document.roles.label),
  }
  return { model: name, version, threshold: document.threshold.value, document, source: opened.facts, roles }
}

/** @param spool where the run keeps its scores, and what is known of them before it begins */
function spooledRun(
  parts: ScoringParts,
  prepared: Prepared,
  settings: ScoreSettings,
  spool: { readonly scratch: Scratch; readonly known: TrainingScoresKept | null; readonly isCounted: boolean },
  work: Work,
) {
  const { scratch, known, isCounted } = spool
  const identity = identityOf(prepared, settings)
  const session = prepared.opened.session!
  /** Not yet told to the metrics, which hear of a table when it was written. */
  let counts: ScoredCounts | null = null
  let isAggregated = false

  const summary = once(async () => {
    if (known) return summaryOfTraining(identity.document)
    const end = await spoolScores(scoreStream(parts, prepared, work), scratch)
    if (isCounted) counts = end.counts
    return end.summary
  })
  const aggregate = once(async (): Promise<ReportAggregate> => {
    const ofTraining = await known?.aggregate
    if (ofTraining) return ofTraining
    const { rows } = await summary()
    work.progress?.begin('reporting', null)
    const { threshold, roles, document } = identity
    const { features, timeContext } = document
    const { timeZone, transitions } = timeContext
    const { window } = prepared.query
    const { scoresPath } = scratch
    return aggregateSource({ session, scoresPath, threshold, features, roles, window, rows, timeZone, transitions })
  })
  const tableQuery = (anomaliesOnly: boolean): ScoredQuery => {
    const { timestamp, window } = prepared.query
    return { scoresPath: scratch.scoresPath, threshold: identity.threshold, timestamp, window, anomaliesOnly }
  }
  const count = () => {
    if (counts) parts.onScored(identity.model, identity.version, counts)
    counts = null
  }

  return {
    ...identity,
    /** Scores everything, if that was not done yet. */
    summary,
    /** Writes the source's columns with score and flag; the file is gone after `close`. */
    async toParquet(anomaliesOnly: boolean) {
      const counted = await summary()
      work.progress?.begin('writing', counted.rows)
      const { bytes } = await session.writeScored(tableQuery(anomaliesOnly))
      count()
      return { path: scratch.outputPath, bytes, summary: counted }
    },
    /** The same table as a stream of Arrow IPC bytes. */
    async toArrow(anomaliesOnly: boolean) {
      await summary()
      return atItsEnd(session.arrowScored(tableQuery(anomaliesOnly)), count)
    },
    /** How good the flags are; labels, times and entities are read once more. Errors: those of `createEvaluation`. */
    async evaluate(): Promise<Evaluation> {
      await summary()
      const counted = isAggregated ? countedIn(await aggregate()) : null
      const spooled = { scratch, counted, held: known?.heldRows() ?? null }
      return evaluateSpooled(parts.pool, prepared, settings, spooled, work)
    },
    /** What a report is drawn from, counted in SQL. */
    aggregate() {
      isAggregated = true
      return aggregate()
    },
    /** Ends reading processes and removes files. Idempotent, never throws. */
    close: once(async () => {
      await prepared.opened.close()
      if (!known) await scratch.dispose()
    }),
  }
}

/** The same promise for every call. */
function once<Result>(work: () => Promise<Result>): () => Promise<Result> {
  let result: Promise<Result> | undefined
  return () => {
    result ??= work()
    return result
  }
}

/** The rows that an evaluation judges, by what was counted for a report; null when nothing was. */
function countedIn({ labels }: ReportAggregate): Counted | null {
  if (!labels) return null
  const { tp, fp, tn, fn } = labels.confusion
  return { rows: tp + fp + tn + fn, flagged: tp + fp }
}

/** What a version says of the rows it was trained on. */
function summaryOfTraining({ model, version, threshold, training }: VersionDocument): ScoreSummary {
  const { value, flaggedRows: anomalies } = threshold
  const { rowsInWindow: rows, rowsUsed } = training
  return { model, version, threshold: value, rows, anomalies, unscored: rows - rowsUsed }
}

/** The same pieces; `then` is called after the last one. */
async function* atItsEnd<Piece>(pieces: AsyncIterable<Piece>, then: () => void): AsyncGenerator<Piece> {
  yield* pieces
  then()
}

/** Writes every score as it comes; the file is complete when this returns. */
async function spoolScores(blocks: AsyncGenerator<ScoredBlock, ScoringEnd>, scratch: Scratch): Promise<ScoringEnd> {
  const file = await scratch.openScores()
  try {
    for (;;) {
      const step = await blocks.next()
      if (step.done) return step.value
      const { scores, rows } = step.value
      await file.writeFile(new Uint8Array(scores.buffer, scores.byteOffset, rows * 8))
    }
  } finally {
    await file.close()
  }
}

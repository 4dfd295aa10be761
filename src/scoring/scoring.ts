/**
 * Scoring, the one way for every door: rows in source order, compared with the version's own threshold,
 * counted. The door formats what comes out.
 */
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
import type { SourceFacts } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import { type Counted, evaluateSpooled } from './evaluation.ts'
import type { ScoredBlock } from './scored-block.ts'
import { smallBatchOf } from './small-batch.ts'
import { type ScoredBatch, scoreSmallBatch } from './small-batch-answer.ts'
import { type Prepared, prepareScoring, requireColumns, type ScoreStreamParts, scoreStream } from './stream.ts'
import type { TrainingScoresKept } from './training-scores.ts'

export interface ScoringParts extends ScoreStreamParts {
  /** The last windows of entities whose rows come as JSON. */
  readonly windows: Windows
  /** Where score files and finished Parquet files lie until they are sent. */
  readonly scratch: () => Promise<Scratch>
  readonly onScored: (model: string, version: number, counts: ScoredCounts) => void
}

/** A scoring under way: the version it uses, and its results. */
export interface ScoringRun {
  readonly model: string
  readonly version: number
  readonly threshold: number
  readonly document: VersionDocument
  /** What may be told about the source. */
  readonly source: SourceFacts
  /** Roles whose columns the source has. */
  readonly roles: Roles
  /** The rows in source order, once. Counts into the metrics when it was read to its end. */
  blocks(): AsyncGenerator<ScoredBlock, ScoreSummary>
  /** The same for few rows in memory, in one piece; null for all others. Called instead of `blocks`; there is nothing to close then. */
  few(): Promise<ScoredBatch> | null

  // What follows is for runs with the output `table` or `report`. The first of them scores everything and
  // spools the scores; the others take them from there. One after another, in any order, as often as needed.

  /** Scores everything, if that was not done yet. */
  summary(): Promise<ScoreSummary>
  /** Writes the source's columns with score and flag; the file is gone after `close`. */
  toParquet(anomaliesOnly: boolean): Promise<{ path: string; bytes: number; summary: ScoreSummary }>
  /** The same table as a stream of Arrow IPC bytes. */
  toArrow(anomaliesOnly: boolean): Promise<AsyncIterable<Uint8Array>>
  /** How good the flags are; labels, times and entities are read once more. Errors: those of `EvaluationUseCase.evaluate`. */
  evaluate(): Promise<Evaluation>
  /** What a report is drawn from, counted in SQL. */
  aggregate(): Promise<ReportAggregate>
  /** Ends reading processes and removes files. Idempotent, never throws. */
  close(): Promise<void>
}

/**
 * What is made of a scoring: rows alone, or also a file, an Arrow stream, an evaluation or a report, which rows held in
 * memory have to be spooled for. A run for a report does not count into the metrics.
 */
type ScoringOutput = 'rows' | 'table' | 'report'

export interface Scoring {
  /**
   * Opens a model and a source.
   *
   * Errors: `model_not_found`, `version_not_found`, `model_corrupt`, those of opening a source, and of
   * `planScoring`, `missing_timestamp`, `unknown_column`.
   */
  score(
    settings: ScoreSettings,
    upload: Source | null,
    output: ScoringOutput,
    work: Work,
    /**
     * The scores of the telemetry that the version was trained on, when that is the source: they are not computed again, and it is
     * not opened again. They stay the caller's, who may give them to several runs.
     */
    known?: TrainingScoresKept | null,
  ): Promise<ScoringRun>
}

export function createScoring(parts: ScoringParts): Scoring {
  return {
    async score(settings, upload, output, work, known = null) {
      // The handle pins the version: it answers to the end, whatever is trained or deleted meanwhile.
      const handle = await parts.registry.resolve(settings.model)
      const isTable = output !== 'rows'
      const few = isTable ? null : smallBatchOf(handle, settings)
      if (few) return new FewRun(parts, handle, few, work)
      const scratch = known?.scratch ?? (isTable ? await parts.scratch() : null)
      try {
        // A report looks at what it is given, and leaves no trace.
        const windows = output === 'report' ? undefined : parts.windows
        const options = { signal: work.signal, outputPath: scratch?.outputPath, needsSession: isTable, windows }
        const isOpen = known?.opened.session != null
        // It stays open when this run closes.
        const ofTraining: ScoreStreamParts = {
          ...parts,
          open: async () => ({ ...known!.opened, close: async () => {} }),
        }
        const prepared = await prepareScoring(isOpen ? ofTraining : parts, handle, settings, upload, options)
        return await runOf(parts, prepared, settings, { scratch, known, counted: output !== 'report' }, work)
      } catch (error) {
        if (!known) await scratch?.dispose()
        throw error
      }
    },
  }
}

/** What a run for rows answers to questions about a table: its caller is mistaken. */
const noTable = (): Promise<never> => Promise.reject(new TypeError('a run for rows keeps no table'))

const factsOfRows: SourceFacts = { kind: 'rows', format: 'json', files: [], bytes: null, sha256: null }

/** Few rows in memory. A class, as a request of one row pays for every closure. */
class FewRun implements ScoringRun {
  readonly #parts: ScoringParts
  readonly #handle: ModelHandle<VersionDocument>
  readonly #rows: Block<ArrayBuffer>
  readonly #work: Work
  readonly source = factsOfRows

  constructor(parts: ScoringParts, handle: ModelHandle<VersionDocument>, rows: Block<ArrayBuffer>, work: Work) {
    this.#parts = parts
    this.#handle = handle
    this.#rows = rows
    this.#work = work
  }

  get model(): string {
    return this.#handle.name
  }

  get version(): number {
    return this.#handle.version
  }

  get threshold(): number {
    return this.#handle.document.threshold.value
  }

  get document(): VersionDocument {
    return this.#handle.document
  }

  get roles(): Roles {
    return this.#handle.document.roles
  }

  few(): Promise<ScoredBatch> {
    return scoreSmallBatch(this.#parts, this.#handle, this.#rows, this.#work)
  }

  async *blocks(): AsyncGenerator<ScoredBlock, ScoreSummary> {
    const { block, summary } = await this.few()
    yield block
    return summary
  }

  summary(): Promise<never> {
    return noTable()
  }

  toParquet(): Promise<never> {
    return noTable()
  }

  toArrow(): Promise<never> {
    return noTable()
  }

  evaluate(): Promise<never> {
    return noTable()
  }

  aggregate(): Promise<never> {
    return noTable()
  }

  async close(): Promise<void> {}
}

async function runOf(
  parts: ScoringParts,
  found: Prepared,
  settings: ScoreSettings,
  { scratch, known, counted }: { scratch: Scratch | null; known: TrainingScoresKept | null; counted: boolean },
  work: Work,
): Promise<ScoringRun> {
  const { handle, opened, description } = found
  const { document } = handle
  const { window, timestamp } = found.query
  try {
    requireColumns(description, settings.include ?? [], 'include')
  } catch (error) {
    await opened.close()
    throw error
  }
  const { value: threshold } = document.threshold
  // Only a window makes a row's place in the source differ from its place in the stream.
  const prepared = {
    ...found,
    query: {
      ...found.query,
      lanes: { ...found.query.lanes, ...(window && { row: true }) },
      include: settings.include,
    },
  }
  const present = (name: string | null) =>
    name !== null && description.columns.some((column) => column.name === name) ? name : null
  const roles: Roles = {
    timestamp: timestamp ?? null,
    entity: present(settings.entity ?? document.roles.entity),
    label: present(settings.label ?? document.roles.label),
  }
  const tableQuery = (anomaliesOnly: boolean): ScoredQuery => ({
    scoresPath: scratch!.scoresPath,
    threshold,
    timestamp,
    window,
    anomaliesOnly,
  })

  /** Counts into the metrics, once: when the answer is complete, which a table is only after it was written. */
  let count = () => {}
  async function* blocks(): AsyncGenerator<ScoredBlock, ScoreSummary> {
    const { summary, counts } = yield* scoreStream(parts, prepared, work)
    count = () => {
      count = () => {}
      if (counted) parts.onScored(handle.name, handle.version, counts)
    }
    if (!scratch) count()
    return summary
  }

  let spooled = known ? Promise.resolve(summaryOfTraining(document)) : undefined
  const summary = () => (spooled ??= spoolScores(blocks(), scratch!))
  let aggregated: Promise<ReportAggregate> | null = null
  const aggregate = () =>
    (aggregated ??= known ? known.aggregate.then((found) => found ?? countScored()) : countScored())
  async function countScored(): Promise<ReportAggregate> {
    const { rows } = await summary()
    work.progress?.begin('reporting', null)
    const { features, timeContext } = document
    return aggregateSource({
      session: opened.session!,
      scoresPath: scratch!.scoresPath,
      threshold,
      features,
      roles,
      window,
      rows,
      timeZone: timeContext.timeZone,
      transitions: timeContext.transitions,
    })
  }

  let closed: Promise<void> | undefined
  return {
    model: handle.name,
    version: handle.version,
    threshold,
    document,
    source: opened.facts,
    roles,
    few: () => null,
    blocks,
    summary,
    async toParquet(anomaliesOnly) {
      const counts = await summary()
      work.progress?.begin('writing', counts.rows)
      const { bytes } = await opened.session!.writeScored(tableQuery(anomaliesOnly))
      count()
      return { path: scratch!.outputPath, bytes, summary: counts }
    },
    async toArrow(anomaliesOnly) {
      await summary()
      const bytes = opened.session!.arrowScored(tableQuery(anomaliesOnly))
      return atItsEnd(bytes, () => count())
    },
    async evaluate() {
      await summary()
      return evaluateSpooled(
        parts.pool,
        found,
        settings,
        { scratch: scratch!, counted: countedIn(await aggregated), held: known?.heldRows() ?? null },
        work,
      )
    },
    aggregate,
    close() {
      closed ??= opened.close().then(() => (known ? undefined : scratch?.dispose()))
      return closed
    },
  }
}

/** The rows that an evaluation judges, by what was counted for a report; null when nothing was. */
function countedIn(aggregate: ReportAggregate | null): Counted | null {
  if (!aggregate?.labels) return null
  const { tp, fp, tn, fn } = aggregate.labels.confusion
  return { rows: tp + fp + tn + fn, flagged: tp + fp }
}

/** What a version says of the rows it was trained on. */
function summaryOfTraining({ model, version, threshold, training }: VersionDocument): ScoreSummary {
  const { rowsInWindow: rows, rowsUsed } = training
  return {
    model,
    version,
    threshold: threshold.value,
    rows,
    anomalies: threshold.flaggedRows,
    unscored: rows - rowsUsed,
  }
}

/** The same pieces; `then` is called after the last one. */
async function* atItsEnd<Piece>(pieces: AsyncIterable<Piece>, then: () => void): AsyncGenerator<Piece> {
  yield* pieces
  then()
}

/** Writes every score as it comes; the file is complete when this returns. */
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

/**
 * Scoring, the one way for every door: rows in source order, compared with the version's own threshold,
 * counted. The door formats what comes out.
 */
import type { ScoredCounts } from './metrics.ts'
import type { ScoredQuery } from './reader-types.ts'
import type { ScoreSettings, ScoreSummary } from './schemas/score.ts'
import {
  type Prepared,
  prepareScoring,
  requireColumns,
  type ScoredBlock,
  type ScoreStreamParts,
  scoreStream,
} from './score-stream.ts'
import type { Scratch } from './scratch.ts'
import type { Source } from './sources.ts'
import type { Work } from './work.ts'

export type { ScoredBlock } from './score-stream.ts'

export interface ScoringParts extends ScoreStreamParts {
  /** Where score files and finished Parquet files lie until they are sent. */
  readonly scratch: () => Promise<Scratch>
  readonly onScored: (model: string, version: number, counts: ScoredCounts) => void
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
  score(settings: ScoreSettings, upload: Source | null, output: 'rows' | 'table', work: Work): Promise<ScoringRun>
}

export function createScoring(parts: ScoringParts): Scoring {
  return {
    async score(settings, upload, output, work) {
      const isTable = output === 'table'
      const scratch = isTable ? await parts.scratch() : null
      try {
        const options = { signal: work.signal, outputPath: scratch?.outputPath, needsSession: isTable }
        const prepared = await prepareScoring(parts, settings, upload, options)
        return await runOf(parts, prepared, settings, scratch, work)
      } catch (error) {
        await scratch?.dispose()
        throw error
      }
    },
  }
}

async function runOf(
  parts: ScoringParts,
  found: Prepared,
  settings: ScoreSettings,
  scratch: Scratch | null,
  work: Work,
): Promise<ScoringRun> {
  const { handle, opened } = found
  const { window, timestamp } = found.query
  try {
    requireColumns(found.description, settings.include ?? [], 'include')
  } catch (error) {
    await opened.close()
    throw error
  }
  const { value: threshold } = handle.document.threshold
  // Only a window makes a row's place in the source differ from its place in the stream.
  const prepared = {
    ...found,
    query: { ...found.query, lanes: window ? { row: true } : undefined, include: settings.include },
  }
  const tableQuery = (anomaliesOnly: boolean): ScoredQuery => ({
    scoresPath: scratch!.scoresPath,
    threshold,
    timestamp,
    window,
    anomaliesOnly,
  })

  async function* blocks(): AsyncGenerator<ScoredBlock, ScoreSummary> {
    const { summary, counts } = yield* scoreStream(parts, prepared, work)
    parts.onScored(handle.name, handle.version, counts)
    return summary
  }

  let closed: Promise<void> | undefined
  return {
    model: handle.name,
    version: handle.version,
    threshold,
    blocks,
    async toParquet(anomaliesOnly) {
      const summary = await spoolScores(blocks(), scratch!)
      work.progress?.begin('writing', summary.rows)
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

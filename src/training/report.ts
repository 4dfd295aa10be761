/**
 * What is kept of a training for its report. The scores of the second pass are spooled, and when the threshold is known the
 * telemetry is counted as any scored source is. A training never fails for its report.
 */
import { aggregateBlocks, aggregateRows, aggregateSource, featureBins, rangeOf } from '../aggregate/index.ts'
import { DeepWatchError } from '../errors.ts'
import type { FeatureBlock, FeatureQuery, ReaderSession } from '../reader/index.ts'
import type { KeptReports } from '../reporting/index.ts'
import type { KeptReport, ReportAggregate, TrainingBins, VersionDocument } from '../schemas/index.ts'
import type { TrainingScoresKept } from '../scoring/index.ts'
import type { Scratch } from '../sources/index.ts'
import { errorCode } from '../storage/index.ts'
import type { LanePlaces, Opened } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import { holdLabels } from './held-labels.ts'
import type { TrainingPlan } from './plan.ts'
import type { Drawn } from './samples.ts'

export interface TrainingReportParts {
  readonly scratch: () => Promise<Scratch>
  readonly kept: KeptReports
}

/** What is counted once the threshold is known. */
export interface Counted {
  /** Complete but for its number. */
  readonly document: VersionDocument
  readonly opened: Opened
  readonly plan: TrainingPlan
  readonly drawn: Drawn
  /** What was read for the scores. */
  readonly query: FeatureQuery
}

/** The record of one training. */
export interface TrainingRecord {
  /** Where a table may be written by who takes the scores over. */
  readonly outputPath: string
  /** Takes the scores of the second pass, in source order, NaN where a row has none. Never throws. */
  add(scores: Float64Array): Promise<void>
  /** Ends what `add` began: the scores are all there. Never throws. */
  complete(): Promise<void>
  /** Hands all scores to `take` once more, after `complete`, in blocks; whether that was all of them. Never throws, ends early when the signal aborts. */
  bringAgain(take: (scores: Float64Array) => void, signal: AbortSignal): Promise<boolean>
  /** Counts, after `complete`. Throws the signal's reason alone. */
  count(counted: Counted, work: Work): Promise<KeptReport>
  /** Keeps what was counted beside its version. Never throws. */
  keep(document: VersionDocument, report: KeptReport): Promise<void>
  /** Holds the labels of a block of the second pass, for whoever takes the scores over. */
  hold(piece: FeatureBlock, places: LanePlaces): void
  /**
   * Gives away the open source, the spooled scores and what is being counted, which is kept beside the version; null when the scores
   * could not be written. `close` then leaves them.
   */
  handOver(document: VersionDocument, counting: Promise<KeptReport>, opened: Opened): TrainingScoresKept | null
  /** Removes the spooled scores. Idempotent, never throws. */
  close(): Promise<void>
}

/** Scores that are read at once: half a MiB. */
const scoresAtOnce = 65_536

export async function recordTraining(parts: TrainingReportParts, { log }: Work): Promise<TrainingRecord> {
  const warn = (error: unknown) => {
    const reason = error instanceof DeepWatchError ? error.code : (errorCode(error) ?? 'internal_error')
    log?.info({ reason }, 'trained without all that its report shows')
  }
  const scratch = await parts.scratch()
  const held = holdLabels()
  let failed = false
  let count = 0
  let isGivenAway = false
  let file: Awaited<ReturnType<Scratch['openScores']>> | null = null
  const guarded = async (work: () => Promise<void>) => {
    if (failed) return
    try {
      await work()
    } catch (error) {
      failed = true
      warn(error)
    }
  }
  const keep: TrainingRecord['keep'] = async ({ model, version, payload }, report) => {
    try {
      await parts.kept.keep({ model, version, payload: payload.sha256 }, report)
    } catch (error) {
      warn(error)
    }
  }
  const closeFile = async () => {
    const open = file
    file = null
    await open?.close()
  }

  return {
    outputPath: scratch.outputPath,
    hold: held.add,
    add: (scores) =>
      guarded(async () => {
        file ??= await scratch.openScores()
        await file.write(new Uint8Array(scores.buffer, scores.byteOffset, scores.byteLength))
        count += scores.length
      }),
    complete: () => guarded(closeFile),
    async bringAgain(take, signal) {
      let left = count
      await guarded(async () => {
        const again = await scratch.readScores()
        try {
          const room = new Float64Array(Math.min(scoresAtOnce, left))
          while (left > 0 && !signal.aborted) {
            const scores = room.subarray(0, left)
            await again.next(scores)
            take(scores)
            left -= scores.length
          }
        } finally {
          await again.close()
        }
      })
      return !failed && left === 0
    },
    async count(counted, work) {
      let aggregate: ReportAggregate | null = null
      work.progress?.begin('reporting', null)
      await guarded(async () => {
        aggregate = await countTraining(counted, scratch)
      })
      work.signal.throwIfAborted()
      return { aggregate, profiles: profilesOf(counted, aggregate) }
    },
    keep,
    handOver(document, counting, opened) {
      if (failed) return null
      isGivenAway = true
      const aggregate = counting.then(async (report) => {
        await keep(document, report)
        return report.aggregate
      })
      aggregate.catch(() => {})
      const close = async () => {
        await aggregate.catch(() => {})
        await opened.close()
        await scratch.dispose()
      }
      return { opened, scratch, aggregate, heldRows: held.rows, close }
    },
    async close() {
      await closeFile().catch(() => {})
      if (!isGivenAway) await scratch.dispose()
    },
  }
}

async function countTraining({ document, opened, plan, query }: Counted, scratch: Scratch): Promise<ReportAggregate> {
  const { features, roles, threshold, training, timeContext } = document
  const { telemetry, session } = opened
  // Blocks hold the numbers of entities, not their names.
  const blocks = roles.entity === null && plan.remembered?.remembers(query) ? plan.remembered : null
  const aggregate: ReaderSession['aggregate'] = blocks
    ? (asked) => aggregateBlocks(blocks, query, scratch, asked)
    : (session?.aggregate ?? ((asked) => aggregateRows(telemetry, scratch, asked)))
  return aggregateSource({
    session: { span: async () => plan.span, aggregate },
    scoresPath: scratch.scoresPath,
    threshold: threshold.value,
    features,
    roles,
    window: plan.window,
    rows: training.rowsInWindow,
    timeZone: timeContext.timeZone,
    transitions: timeContext.transitions,
  })
}

/** The profile's sample in bins, those features first that a report shows first. */
function profilesOf({ document, drawn }: Counted, aggregate: ReportAggregate | null): TrainingBins[] {
  const first = aggregate?.features.map(({ feature }) => feature) ?? []
  const order = [...new Set([...first, ...document.features.keys()])]
  const profiles: TrainingBins[] = []
  for (const feature of order) {
    if (profiles.length === 512) break
    const range = rangeOf(document.features[feature]!)
    if (range === null) continue
    const counts: number[] = Array(featureBins + 2).fill(0)
    const { values, size, filled } = drawn.profileSample
    for (let at = feature * size; at < feature * size + filled; at++) {
      const value = values[at]!
      if (!Number.isFinite(value)) continue
      const place = Math.floor(((value - range.low) / (range.high - range.low)) * featureBins)
      counts[value < range.low ? 0 : value > range.high ? featureBins + 1 : 1 + Math.min(place, featureBins - 1)]!++
    }
    profiles.push({ feature, counts })
  }
  return profiles
}

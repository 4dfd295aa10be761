/** What a training leaves for its report: its scores, which are counted once the threshold is known. It never fails a training. */
import { aggregateRows, aggregateSource, binOf, featureBins, rangeOf } from '../aggregate/index.ts'
import { DeepWatchError } from '../errors.ts'
import type { FeatureBlock, FeatureQuery, ReaderSession } from '../reader/index.ts'
import type { KeptReports } from '../reporting/index.ts'
import type { KeptReport, ReportAggregate, TrainingBins, VersionDocument } from '../schemas/index.ts'
import type { HeldRows, TrainingScoresKept } from '../scoring/index.ts'
import type { Scratch } from '../sources/index.ts'
import { errorCode } from '../storage/index.ts'
import type { ColumnPlaces, Opened } from '../telemetry/index.ts'
import type { Work } from '../work.ts'
import type { TrainingPlan } from './plan.ts'
import type { Drawn } from './samples.ts'

export interface Counted {
  /** Complete but for its number. */
  readonly document: VersionDocument
  readonly opened: Opened
  readonly plan: TrainingPlan
  readonly drawn: Drawn
  /** What was read for the scores. */
  readonly query: FeatureQuery
}

/** Scores that are read at once: half a MiB. */
const scoresAtOnce = 65_536

/** The record of one training. Only `count` throws, and only the reason of a signal. */
export class TrainingRecord {
  readonly #reports: KeptReports
  readonly #scratch: Scratch
  readonly #log: Work['log']
  /** Labels of the rows, for whoever takes the scores over. */
  readonly labels = holdLabels()
  #file: Awaited<ReturnType<Scratch['openScores']>> | null = null
  #count = 0
  #failed = false
  #isHandedOver = false

  constructor(reports: KeptReports, scratch: Scratch, log: Work['log']) {
    this.#reports = reports
    this.#scratch = scratch
    this.#log = log
  }

  /** Where a table may be written by who takes the scores over. */
  get outputPath(): string {
    return this.#scratch.outputPath
  }

  /** Takes the scores of a block, in source order, NaN where a row has none. */
  add(scores: Float64Array): Promise<void> {
    return this.#guarded(async () => {
      this.#file ??= await this.#scratch.openScores()
      await this.#file.writeFile(new Uint8Array(scores.buffer, scores.byteOffset, scores.byteLength))
      this.#count += scores.length
    })
  }

  /** All scores were added. */
  complete(): Promise<void> {
    return this.#guarded(() => this.#closeFile())
  }

  /** Hands all scores to `take` once more, after `complete`, in blocks; whether that was all of them. Ends early when the signal aborts. */
  async bringAgain(take: (scores: Float64Array) => void, signal: AbortSignal): Promise<boolean> {
    let left = this.#count
    await this.#guarded(async () => {
      const file = await this.#scratch.readScores()
      try {
        const room = new Float64Array(Math.min(scoresAtOnce, left))
        while (left > 0 && !signal.aborted) {
          const scores = room.subarray(0, left)
          await file.next(scores)
          take(scores)
          left -= scores.length
        }
      } finally {
        await file.close()
      }
    })
    return !this.#failed && left === 0
  }

  /** Counts what the report shows, after `complete`. */
  async count(counted: Counted, work: Work): Promise<KeptReport> {
    let aggregate: ReportAggregate | null = null
    work.progress?.begin('reporting', null)
    await this.#guarded(async () => {
      aggregate = await countTraining(counted, this.#scratch)
    })
    work.signal.throwIfAborted()
    return { aggregate, profiles: profilesOf(counted, aggregate) }
  }

  /** Stores what was counted beside its version. */
  async keep({ model, version, payload }: VersionDocument, report: KeptReport): Promise<void> {
    await this.#reports.keep({ model, version, payload: payload.sha256 }, report).catch((error) => this.#warn(error))
  }

  /**
   * Hands over the open source, the spooled scores and what is being counted, which is stored beside the version; null when the
   * scores could not be written. `close` then leaves them.
   */
  handOver(document: VersionDocument, counting: Promise<KeptReport>, opened: Opened): TrainingScoresKept | null {
    if (this.#failed) return null
    this.#isHandedOver = true
    const scratch = this.#scratch
    const aggregate = counting.then(async (report) => {
      await this.keep(document, report)
      return report.aggregate
    })
    aggregate.catch(() => {})
    const close = async () => {
      await aggregate.catch(() => {})
      await opened.close()
      await scratch.dispose()
    }
    return { opened, scratch, aggregate, heldRows: this.labels.rows, close }
  }

  /** Removes the spooled scores. Idempotent. */
  async close(): Promise<void> {
    await this.#closeFile().catch(() => {})
    if (!this.#isHandedOver) await this.#scratch.dispose()
  }

  async #closeFile(): Promise<void> {
    const file = this.#file
    this.#file = null
    await file?.close()
  }

  /** After the first failure nothing more is tried. */
  async #guarded(work: () => Promise<void>): Promise<void> {
    if (this.#failed) return
    try {
      await work()
    } catch (error) {
      this.#failed = true
      this.#warn(error)
    }
  }

  #warn(error: unknown): void {
    const reason = error instanceof DeepWatchError ? error.code : (errorCode(error) ?? 'internal_error')
    this.#log?.info({ reason }, 'trained without all that its report shows')
  }
}

async function countTraining({ document, opened, plan, query }: Counted, scratch: Scratch): Promise<ReportAggregate> {
  const { features, roles, threshold, training, timeContext } = document
  const { telemetry, session } = opened
  // Blocks hold the numbers of entities, not their names.
  const blocks = roles.entity === null && plan.remembered?.remembers(query) ? plan.remembered : null
  const aggregate: ReaderSession['aggregate'] = blocks
    ? (asked) => aggregateRows(blocks, scratch, asked, query)
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
      counts[binOf(value, range)]!++
    }
    profiles.push({ feature, counts })
  }
  return profiles
}

/** 24 bytes each at most. As many as a report ranks. */
const maxHeldRows = 2_000_000

/** Holds labels, times and entities of the training rows, up to a bound: flags are judged without reading the source again. */
export function holdLabels() {
  let blocks: HeldRows[] = []
  let held = 0
  return {
    /** Takes the rows of a block that has a label column, in source order. */
    add({ block }: FeatureBlock, { label, timestamp, entity }: ColumnPlaces): void {
      if (label === null || held > maxHeldRows) return
      const { rows, stride, values } = block
      held += rows
      if (held > maxHeldRows) {
        blocks = []
        return
      }
      const copyOf = (place: number | null) =>
        place === null ? null : values.slice(place * stride, place * stride + rows)
      const entities = copyOf(entity)
      blocks.push({
        rows,
        labels: copyOf(label)!,
        times: copyOf(timestamp),
        text: (row) => entities && String(entities[row]),
      })
    },
    /** The rows taken; null when they were too many, or none. */
    rows: (): readonly HeldRows[] | null => (blocks.length === 0 ? null : blocks),
  }
}

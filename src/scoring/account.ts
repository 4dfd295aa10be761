/** Keeps count of what is scored, for the answer and for the metrics. */
import { rowMarks } from '../kernels/models/index.ts'
import { type ScoredCounts, ScoreTally } from '../observe/index.ts'
import type { BlockScores } from '../pool/index.ts'
import type { ModelHandle } from '../registry/index.ts'
import {
  type ScoreSummary,
  type UnscoredReason,
  unscoredReasons,
  type VersionDocument,
  type Warning,
} from '../schemas/index.ts'
import { reasonOf } from './scored-block.ts'

/** What a scored source comes to. */
export interface ScoringEnd {
  readonly summary: ScoreSummary
  readonly counts: ScoredCounts
}

const noneRejected = Object.fromEntries(unscoredReasons.map((reason) => [reason, 0])) as Record<UnscoredReason, number>

/** One scoring, from its first row to its last. */
export class ScoreAccount {
  readonly #handle: ModelHandle<VersionDocument>
  readonly #started = performance.now()
  readonly #tally = new ScoreTally()
  readonly #rejected = { ...noneRejected }
  #rows = 0
  #anomalies = 0
  #unscored = 0
  #kernelSeconds = 0

  constructor(handle: ModelHandle<VersionDocument>) {
    this.#handle = handle
  }

  /** The first `rows` scores of a block. */
  enter(rows: number, { scores, flags, seconds }: BlockScores): void {
    const threshold = this.#handle.document.threshold.value
    for (let row = 0; row < rows; row++) {
      if (scores[row]! > threshold) this.#anomalies++
      // Nearly every row has a score.
      if (flags[row] === rowMarks.usable) continue
      const reason = reasonOf[flags[row]!]
      if (!reason) continue
      this.#rejected[reason]++
      this.#unscored++
    }
    this.#tally.addScores(scores, rows)
    this.#rows += rows
    this.#kernelSeconds += seconds
  }

  /** What it came to; time is measured from the beginning to here. */
  close(warnings: readonly Warning[] = []): ScoringEnd {
    const { name, version, document } = this.#handle
    const [rows, anomalies, unscored] = [this.#rows, this.#anomalies, this.#unscored]
    const summary = { model: name, version, threshold: document.threshold.value, rows, anomalies, unscored }
    return {
      summary: warnings.length === 0 ? summary : { ...summary, warnings: [...warnings] },
      counts: {
        scored: rows - unscored,
        anomalies,
        rejected: this.#rejected,
        tally: this.#tally,
        kernelSeconds: this.#kernelSeconds,
        totalSeconds: (performance.now() - this.#started) / 1000,
      },
    }
  }
}

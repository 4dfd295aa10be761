/** What a report is drawn from: plain data, bounded, complete. It crosses to the drawing thread as it is. */
import type { ZoneTransitions } from '../kernels/history/index.ts'
import type { Evaluation } from './evaluate.ts'
import type { VersionDocument } from './model.ts'
import type { ReportAggregate, TrainingBins } from './report.ts'

export interface ReportFacts {
  /** The training telemetry of a version, or a source that was scored with it. */
  readonly subject: 'version' | 'source'
  readonly document: VersionDocument
  /** What was scored. */
  readonly source: { readonly kind: 'rows' | 'path' | 'upload'; readonly files: readonly string[] }
  /** Null when nothing was kept of a training. */
  readonly aggregate: ReportAggregate | null
  /** How features were distributed in training; features that are not in it are drawn from their quantiles. */
  readonly profiles: readonly TrainingBins[]
  /** Offsets of the model's time zone, as far as the times of the report need them. */
  readonly zone: ZoneTransitions
  readonly evaluation: Evaluation | null
  /** Sentences about what is not shown and why. */
  readonly gaps: readonly string[]
}

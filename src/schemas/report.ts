/** The settings of `POST /report`, and the counts a report is drawn from. */
import { z } from 'zod'
import type { ZoneTransitions } from '../kernels/history/index.ts'
import { type Evaluation, evaluateSettings } from './evaluate.ts'
import type { VersionDocument } from './model.ts'

const reportFormats = ['html', 'svg', 'png'] as const
export type ReportFormat = (typeof reportFormats)[number]

export const reportFormat = z
  .enum(reportFormats)
  .optional()
  .describe('What to answer with, whatever `Accept` says: the page, or the chart alone.')

export const reportSettings = evaluateSettings.extend({ format: reportFormat })
export type ReportSettings = z.infer<typeof reportSettings>

const count = z.int().min(0)
const label = z.union([z.literal(0), z.literal(1)]).nullable()

/** A bar of the distribution of scores: rows with a score in [from, to), all flagged or none. */
const scoreBar = z.object({ from: z.number(), to: z.number(), rows: count, flagged: z.boolean() })

/** Values of the flagged rows of one feature, counted over the range its training profile gives. */
const flaggedFeature = z.object({
  feature: count.describe('Index in the features of the version.'),
  counts: z.array(count).describe('Below the range, equal bins, above the range.'),
  missing: count,
  belowUsual: count,
  aboveUsual: count,
})

const topRow = z.object({
  row: count,
  score: z.number(),
  time: z.number().nullable(),
  entity: z.string().nullable(),
  label,
  values: z.array(z.number().nullable()).describe('One per member of `features`.'),
})

/**
 * A scored source in counts: of bounded size, however many rows, features and entities it has. Drawn as it is, and
 * kept beside a version. Times are epoch microseconds.
 */
const reportAggregate = z.object({
  rows: count,
  unscored: count,
  flagged: count,
  threshold: z.number(),
  from: z.number().nullable(),
  to: z.number().nullable(),
  scores: z.array(scoreBar).max(300),
  labels: z
    .object({
      confusion: z.object({ tp: count, fp: count, tn: count, fn: count }),
      unlabelled: count,
      curve: z
        .array(z.object({ recall: z.number(), precision: z.number() }))
        .max(220)
        .describe('From the highest threshold down; empty with labels of one kind only.'),
    })
    .nullable(),
  course: z.object({
    unit: z.enum(['time', 'rows']),
    first: z.number(),
    width: z.number(),
    stretches: z
      .array(
        z.object({
          index: count,
          rows: count,
          flagged: count,
          labelled: count,
          highest: z.number().nullable(),
          mean: z.number().nullable(),
        }),
      )
      .max(500),
  }),
  hours: z
    .array(z.object({ hour: z.int().min(0).max(167), flagged: count }))
    .max(168)
    .describe('Local hours of the week, from Monday 0:00; those that are known to have no row are left out.'),
  features: z.array(flaggedFeature).max(40),
  foldedFeatures: count,
  top: z.array(topRow).max(20),
  entities: z
    .object({
      named: z.array(z.object({ entity: z.string(), rows: count, flagged: count })).max(20),
      flaggedNotNamed: count,
      others: count,
      manyOthers: z.boolean().describe('More others than were counted.'),
    })
    .nullable(),
})
export type ReportAggregate = z.infer<typeof reportAggregate>

/** How the values of a feature were distributed in training: from the profile's sample. */
const trainingBins = z.object({ feature: count, counts: z.array(count) })
export type TrainingBins = z.infer<typeof trainingBins>

/** What is kept beside a version for its report. */
export const keptReport = z.object({ aggregate: reportAggregate.nullable(), profiles: z.array(trainingBins).max(512) })
export type KeptReport = z.infer<typeof keptReport>

/** What a report is drawn from: plain data, bounded, complete. It crosses to the drawing thread as it is. */
export interface ReportFacts {
  /** The training telemetry of a version, or a source that was scored with it. */
  readonly subject: 'version' | 'source'
  readonly document: VersionDocument
  readonly source: { readonly kind: 'rows' | 'path' | 'upload'; readonly files: readonly string[] }
  /** Null when nothing was kept of a training. */
  readonly aggregate: ReportAggregate | null
  /** How features were distributed in training; features that are not in it are drawn from their quantiles. */
  readonly profiles: readonly TrainingBins[]
  /** Offsets of the model's time zone, as far as the times of the report need them. */
  readonly zone: ZoneTransitions
  readonly evaluation: Evaluation | null
  readonly gaps: readonly string[]
}

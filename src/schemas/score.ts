/** The settings and the answer of `POST /score`. */
import { z } from 'zod'
import { reading } from './reading.ts'
import { columnName, rows, source, window } from './source.ts'
import { roles } from './train.ts'

/** `web` for the serving version, `web@3` for that one. */
export const modelReferencePattern = /^([a-z0-9][a-z0-9_-]{0,62})(?:@([1-9]\d{0,8}))?$/

const modelReference = z
  .string()
  .regex(modelReferencePattern)
  .meta({ examples: ['web', 'web@3'] })

export const scoreSettings = z.strictObject({
  model: modelReference,
  rows: rows.optional(),
  source: source.optional(),
  window: window.optional(),
  ...roles,
  ...reading,
  return: z
    .enum(['all', 'anomalies', 'none'])
    .optional()
    .describe(
      'Which rows to answer with. By default all for JSON rows and for Parquet, Arrow, CSV and NDJSON output, anomalies for a file answered in JSON.',
    ),
  include: z
    .array(columnName)
    .min(1)
    .max(256)
    .refine((names) => new Set(names).size === names.length, 'must not name a column twice')
    .optional()
    .describe('Columns of the source to echo with each result.'),
})

export type ScoreSettings = z.infer<typeof scoreSettings>

/** Why a row has no score, in the words of the answer and of `deepwatch_rows_rejected_total`. */
export const unscoredReasons = ['missing_value', 'non_finite_value', 'insufficient_history', 'out_of_order'] as const
export type UnscoredReason = (typeof unscoredReasons)[number]

/** What lifted the score of a row beyond what the detector says. */
const rowReason = z
  .object({
    reason: z
      .enum(['out_of_range', 'novel_value'])
      .describe('The value lies outside the range seen in training, or the feature was constant there.'),
    feature: z.string(),
  })
  .meta({ id: 'RowReason' })
export type RowReason = z.infer<typeof rowReason>

const scoreResult = z
  .looseObject({
    row: z.int().min(0).describe('Position in the source, from 0, before any window.'),
    score: z.number().min(0).max(1).nullable(),
    isAnomaly: z.boolean().describe('Whether score > threshold.'),
    reason: z.enum(unscoredReasons).optional().describe('Why there is no score.'),
    features: z.array(z.string()).optional().describe('With reason: the features without a usable value.'),
    reasons: z.array(rowReason).max(10).optional().describe('Values that training never saw, the strongest first.'),
    filled: z.array(z.string()).optional().describe('Features that were filled with the training median.'),
    values: z.record(z.string(), z.unknown()).optional().describe('The columns asked for with include.'),
  })
  .meta({ id: 'ScoreResult' })

const scoreSummary = z
  .object({
    model: z.string(),
    version: z.int(),
    threshold: z.number(),
    rows: z.int().describe('Rows of the source inside the window.'),
    anomalies: z.int(),
    unscored: z.int(),
    warnings: z.array(z.looseObject({ code: z.string(), message: z.string() })).optional(),
  })
  .meta({ id: 'ScoreSummary' })

export const scoreAnswer = scoreSummary.extend({ results: z.array(scoreResult) }).meta({ id: 'ScoreAnswer' })

export type ScoreSummary = z.infer<typeof scoreSummary>
